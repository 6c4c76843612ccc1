import t from 'tap'
import { runPs } from '../../supervisor/commands/ps.ts'
import { aFleet, aWorker } from '../helpers/fleet.ts'

function output() {
  const lines: string[] = []
  return { lines, print: (line: string) => void lines.push(line), progress: () => {} }
}

const once = new AbortController().signal
const none = { list: async () => [], delayed: async () => ({ delayed: 0, undeliverable: 0 }) }
const orphan = {
  name: 'viewed.former',
  queue: 'viewed.former',
  address: { kind: 'fanout', name: 'viewed' } as const,
  worker: 'former',
  waiting: 3,
  suspects: 0,
  dead: null,
  consumers: 0,
  declaredAt: '2026-11-29T10:00:00.000Z',
}

t.test('a table of the workers', async (t) => {
  const asleep = aWorker({
    name: 'sleepy',
    depth: 0,
    inProgress: 0,
    desired: 0,
    decisions: [],
    instances: [{ host: 'one', id: 2, pid: null, status: 'asleep', memory: 0, cpu: 0, inProgress: 0 }],
  })
  const unknown = aWorker({
    name: 'unknown',
    depth: null,
    inProgress: null,
    dead: null,
    suspects: null,
    instances: [],
    queue: null,
    decisions: [],
  })
  const pinned = aWorker({ name: 'pinned', pinned: { 'one-1': 1, 'two-2': 2 }, decisions: [] })
  const out = output()
  await runPs([], aFleet([aWorker(), asleep, unknown, pinned]), none, out, once)
  t.same(out.lines.join('\n').split('\n'), [
    'worker   queue   waiting  in progress  suspects  dead  instances   desired     memory  last decision',
    'resize   images  12       6            0         2     2           2           100 MB  16:34:42 0 to 1: 18 messages, 10 an instance',
    'sleepy   images  0        0            0         2     0 (asleep)  0           0 MB    -',
    'unknown  -       ?        ?            -         -     0           2           0 MB    -',
    'pinned   images  12       6            0         2     2           3 (pinned)  100 MB  -',
    '',
    'Delayed messages and retries, of all workers together: 0. Undeliverable: 0.',
  ])
})

const some = { list: async () => [orphan], delayed: async () => ({ delayed: 17, undeliverable: 2 }) }
const failing = { list: async () => Promise.reject(new Error('it is in use')), delayed: none.delayed }

t.test('what no worker stands for any more, and what is delayed; or why that is not known', async (t) => {
  const out = output()
  await runPs([], aFleet([aWorker()]), some, out, once)
  t.same(out.lines.join('\n').split('\n').slice(2), [
    '',
    'Delayed messages and retries, of all workers together: 17. Undeliverable: 2.',
    '',
    'No worker file stands for these any more (`npx warren prune`):',
    'orphan         waiting  suspects  dead  last declared',
    'viewed.former  3        0         -     2026-11-29',
  ])
  const away = output()
  await runPs([], aFleet([aWorker()]), failing, away, once)
  t.equal(away.lines.join('\n').split('\n').at(-1), 'Delayed messages and orphans are not known: it is in use')
})

t.test('for programs', async (t) => {
  const out = output()
  await runPs(['--json'], aFleet([aWorker()]), some, out, once)
  const rest = { orphans: [orphan], delayed: 17, undeliverable: 2 }
  t.same(JSON.parse(out.lines.join('')), { workers: [aWorker()], ...rest, store: null })
  const away = output()
  await runPs(['--json'], aFleet([aWorker()]), failing, away, once)
  t.match(
    JSON.parse(away.lines.join('')),
    { orphans: null, delayed: null, undeliverable: null },
    'not known is not none',
  )
})

t.test("the embedded broker's store, again with each picture", async (t) => {
  const size = { size: 51_380_224, unused: 9_440_000, free: 12_345_678_901 }
  const out = output()
  await runPs([], aFleet([aWorker()]), none, out, once, () => size)
  const line = "The embedded broker's store has 51 MB, of which 9.4 MB are unused. Its disk has 12346 MB left."
  t.same(out.lines.join('\n').split('\n').slice(-2), ['', line])
  const unknown = output()
  await runPs([], aFleet([aWorker()]), none, unknown, once, () => ({ ...size, free: null }))
  t.match(unknown.lines.join('\n'), /9\.4 MB are unused\.$/)
  const json = output()
  await runPs(['--json'], aFleet([aWorker()]), none, json, once, () => size)
  t.same(JSON.parse(json.lines.join('')).store, size)

  const interrupted = new AbortController()
  const sizes = [1_000_000, 2_000_000]
  const watched = output()
  const print = (text: string) => {
    watched.print(text)
    if (sizes.length === 0) interrupted.abort()
  }
  const next = () => ({ size: sizes.shift() ?? 0, unused: 0, free: null })
  await runPs(['--watch'], aFleet([aWorker()]), none, { ...watched, print }, interrupted.signal, next)
  t.match(watched.lines, [/has 1\.0 MB/, /has 2\.0 MB/])
})

t.test('again and again, until it is interrupted', async (t) => {
  const interrupted = new AbortController()
  const out = output()
  const print = (line: string) => {
    out.print(line)
    if (out.lines.length === 2) interrupted.abort()
  }
  await runPs(['--watch'], aFleet([aWorker()]), none, { ...out, print }, interrupted.signal)
  t.equal(out.lines.length, 2)
  t.ok(out.lines.every((line) => line.startsWith('\u001b[H\u001b[J')))
  await t.rejects(runPs(['--wach'], aFleet([]), none, out, once), { code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' })
})
