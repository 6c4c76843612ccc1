import t from 'tap'
import { runPs } from '../../supervisor/commands/ps.ts'
import { aFleet, aWorker } from '../helpers/fleet.ts'

function output() {
  const lines: string[] = []
  return { lines, print: (line: string) => void lines.push(line), progress: () => {} }
}

const once = new AbortController().signal

t.test('a table of the workers', async (t) => {
  const asleep = aWorker({
    name: 'sleepy',
    depth: 0,
    inProgress: 0,
    desired: 0,
    decisions: [],
    instances: [{ host: 'one', id: 2, pid: null, status: 'asleep', memory: 0, cpu: 0, inProgress: 0 }],
  })
  const unknown = aWorker({ name: 'unknown', depth: null, inProgress: null, instances: [], queue: null, decisions: [] })
  const pinned = aWorker({ name: 'pinned', pinned: { 'one-1': 1, 'two-2': 2 }, decisions: [] })
  const out = output()
  await runPs([], aFleet([aWorker(), asleep, unknown, pinned]), out, once)
  t.same(out.lines.join('\n').split('\n'), [
    'worker   queue   waiting  in progress  instances   desired     memory  last decision',
    'resize   images  12       6            2           2           100 MB  16:34:42 0 to 1: 18 messages, 10 an instance',
    'sleepy   images  0        0            0 (asleep)  0           0 MB    -',
    'unknown  -       ?        ?            0           2           0 MB    -',
    'pinned   images  12       6            2           3 (pinned)  100 MB  -',
  ])
})

t.test('for programs', async (t) => {
  const out = output()
  await runPs(['--json'], aFleet([aWorker()]), out, once)
  t.same(JSON.parse(out.lines.join('')), { workers: [aWorker()] })
})

t.test('again and again, until it is interrupted', async (t) => {
  const interrupted = new AbortController()
  const out = output()
  const print = (line: string) => {
    out.print(line)
    if (out.lines.length === 2) interrupted.abort()
  }
  await runPs(['--watch'], aFleet([aWorker()]), { ...out, print }, interrupted.signal)
  t.equal(out.lines.length, 2)
  t.ok(out.lines.every((line) => line.startsWith('\u001b[H\u001b[J')))
  await t.rejects(runPs(['--wach'], aFleet([]), out, once), { code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' })
})
