import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { type Profile, profileLines, summaryOf } from './profile.ts'

/** A profile in which each function has so many samples of 10 ms. */
function profileOf(counts: readonly (readonly [functionName: string, url: string, count: number])[]): Profile {
  const samples = counts.flatMap(([, , count], id) => Array<number>(count).fill(id))
  return {
    nodes: counts.map(([functionName, url], id) => ({ id, callFrame: { functionName, url } })),
    samples,
    timeDeltas: samples.map(() => 10_000),
  }
}

const PROFILE = profileOf([
  ['(idle)', '', 900],
  ['read', 'file:///there/dist/supervisor/messaging/wire/read-delivery.js', 20],
  ['_read', 'file:///there/node_modules/amqplib/lib/mux.js', 10],
  ['parse', 'file:///there/node_modules/a/node_modules/@scope/b/index.js', 9],
  ['', 'file:///there/dist/test/bench/peers/tally.js', 8],
  ['emit', 'node:events', 30],
  ['(garbage collector)', '', 15],
  ['writeBuffer', '', 8],
])

t.test('whose code took how much, and which functions; waiting is left out', async (t) => {
  const { total, lines } = summaryOf('warren-worker', PROFILE)
  t.equal(total, 1_000_000)
  t.same(lines, [
    'warren-worker, 1,000 ms: Node 30 %, Warren 20 %, garbage collection 15 %, amqplib 10 %, @scope/b 9 %, the benchmark 8 %, native code 8 %',
    '   30 %  emit, Node: events',
    '   20 %  read, Warren: read-delivery.js',
    '   15 %  (garbage collector), garbage collection',
    '   10 %  _read, amqplib: mux.js',
    '    9 %  parse, @scope/b: index.js',
    '    8 %  (anonymous), the benchmark: tally.js',
    '    8 %  writeBuffer, native code',
  ])
})

t.test('of every process that has done a tenth of what the busiest has', async (t) => {
  const folder = temporaryFolder(t, 'warren-bench-')
  const put = (name: string, file: string, profile: Profile) => {
    mkdirSync(join(folder, name), { recursive: true })
    writeFileSync(join(folder, name, file), JSON.stringify(profile))
  }
  put('warren-worker', 'CPU.1.cpuprofile', PROFILE)
  put('warren-worker', 'CPU.2.cpuprofile', PROFILE)
  put('host', 'CPU.3.cpuprofile', profileOf([['start', 'node:internal', 10]]))
  put('bullmq', 'CPU.4.cpuprofile', profileOf([['start', 'node:internal', 9]]))
  const names = profileLines(folder).filter((line) => !line.startsWith(' '))
  t.match(names, [/^host, 100 ms/, /^warren-worker, 1,000 ms/, /^warren-worker, 1,000 ms/])
  t.equal(names.length, 3)
})
