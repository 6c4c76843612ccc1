import t from 'tap'
import type { Pm2Event } from '../../supervisor/scaling/pm2.ts'
import { trackReadiness } from '../../supervisor/scaling/readiness.ts'

const ready = { kind: 'state', name: 'history', state: { status: 'ready' } } as const
const exit = { kind: 'exit', name: 'history', code: 0 } as const

t.test('the end of a process that was removed is not the end of its successor', async (t) => {
  const readiness = trackReadiness({ print() {} })
  const done = readiness.until(new Map([['history', 1]]), 10_000, 1_000)
  // As pm2 may tell it: after the successor's start, under the same id when the list was empty between.
  readiness.onEvent({ ...exit, id: 0, startedAt: 999 })
  readiness.onEvent({ ...ready, id: 0 })
  await t.resolves(done)
})

t.test('the end of one that was started for it is', async (t) => {
  const readiness = trackReadiness({ print() {} })
  const done = readiness.until(new Map([['history', 1]]), 10_000, 1_000)
  readiness.onEvent({ ...exit, id: 0, code: 3, startedAt: 1_000 })
  readiness.onEvent({ ...ready, id: 0 })
  await t.rejects(done, { code: 'WARREN_START', message: /history: it ended with code 3 before it was ready/ })
})

t.test('why a process failed is told whichever is heard first, and if its state is lost', async (t) => {
  const ended = { ...exit, id: 3, code: 1, startedAt: 1_000 }
  const failed = { ...ready, id: 3, state: { status: 'failed', reason: 'no such table' } } as const
  const log = (text: string, stream: 'out' | 'err' = 'out') =>
    ({ kind: 'log', name: 'history', id: 3, stream, text }) as const
  const fatal = '{"level":"fatal","name":"history","msg":"no such table"}\n'
  const late =
    '{"level":"fatal","reason":"no such table","msg":"stopping after an error"}\n{"level":"info","msg":"draining"}\n'
  const cases: Record<string, readonly Pm2Event[]> = {
    'its state': [failed, ended],
    'its state, after its end': [ended, failed],
    'its log': [log(fatal), ended],
    'its log, after its end': [ended, log(fatal)],
    'its log, in pieces around its end': [log(`\nstarting\n${fatal.slice(0, 9)}`), ended, log(fatal.slice(9))],
    'an error after its start': [ended, log(late)],
    'its state before its log': [log(fatal.replace('table', 'row')), ended, failed],
    'standard error besides': [log('Warning\n', 'err'), ended, log(fatal)],
  }
  for (const [what, events] of Object.entries(cases)) {
    const readiness = trackReadiness({ print() {} })
    const done = readiness.until(new Map([['history', 1]]), 10_000, 1_000)
    for (const event of events) readiness.onEvent(event)
    await t.rejects(done, { message: 'history: no such table' }, what)
  }

  const silent = [log('{"level":"fatal", '), log('no JSON\n"level":"fatal"\n{"x":"level":"fatal"}\n'), ended]
  const readiness = trackReadiness({ print() {} })
  const done = readiness.until(new Map([['history', 1]]), 10_000, 1_000)
  for (const event of [...silent, log('Error: no such table\n', 'err')]) readiness.onEvent(event)
  await t.rejects(done, { message: /^history: it ended with code 1 before it was ready:\nError: no such table$/ })
})

t.test('what a process wrote is waited for until pm2 has told all of it', async (t) => {
  const expected = new Map([['history', 1]])
  const ended = { ...exit, id: 3, code: 1, startedAt: 1_000 }
  const late = { kind: 'log', name: 'history', id: 3, stream: 'out', text: '{"level":"fatal","msg":"late"}\n' } as const
  const slow = trackReadiness({
    print() {},
    async caughtUp() {
      await new Promise(setImmediate)
      slow.onEvent(late)
    },
  })
  const done = slow.until(expected, 10_000, 1_000)
  slow.onEvent(ended)
  await t.rejects(done, { message: 'history: late' })

  const gone = trackReadiness({ print() {}, caughtUp: () => Promise.reject(new Error('no daemon')) })
  const without = gone.until(expected, 10_000, 1_000)
  gone.onEvent(ended)
  await t.rejects(without, { message: 'history: it ended with code 1 before it was ready' })
})

t.test('what one that was removed wrote is not said of its successor', async (t) => {
  const readiness = trackReadiness({ print() {} })
  const done = readiness.until(new Map([['history', 1]]), 10_000, 1_000)
  const old = { kind: 'log', name: 'history', id: 3, stream: 'out', text: '{"level":"fatal","msg":"old"}\n' } as const
  readiness.onEvent(old)
  readiness.onEvent({ ...exit, id: 3, startedAt: 999 })
  readiness.onEvent({ ...exit, id: 3, code: 2, startedAt: 1_000 })
  await t.rejects(done, { message: 'history: it ended with code 2 before it was ready' })
})

t.test('whoever refuses the others where the broker can not listen is not what is wrong', async (t) => {
  const refused = { status: 'waiting', code: 'ACCESS_REFUSED', reason: 'refused' } as const
  const broker = { kind: 'state', name: 'broker', id: 1 } as const
  const expected = new Map([
    ['broker', 1],
    ['history', 1],
  ])
  const taken = trackReadiness({ print() {} })
  const done = taken.until(expected, 10_000)
  taken.onEvent({ ...ready, id: 0, state: refused })
  taken.onEvent({ ...broker, state: { status: 'failed', reason: 'Port 5682 is in use' } })
  await t.rejects(done, { message: 'broker: Port 5682 is in use' })

  const ours = trackReadiness({ print() {} })
  const wrong = ours.until(expected, 10_000)
  ours.onEvent({ ...broker, state: { status: 'ready' } })
  ours.onEvent({ ...ready, id: 0, state: refused })
  await t.rejects(wrong, { message: 'history: refused' }, 'but it is, once the broker is up')
})

t.test('ready is when all are, and only then', async (t) => {
  const readiness = trackReadiness({ print() {} })
  let settled = false
  const done = readiness.until(new Map([['history', 2]]), 10_000).finally(() => {
    settled = true
  })
  readiness.onEvent({ ...ready, id: 0 })
  readiness.onEvent({ ...ready, id: 0 })
  readiness.onEvent({ ...ready, id: 7, name: 'another' })
  await new Promise(setImmediate)
  t.notOk(settled, 'one instance that tells it twice is not two')
  readiness.onEvent({ ...ready, id: 1 })
  await done
})

t.test('the autoscaler may end one that ran before, and put the last one to sleep', async (t) => {
  let isAsleep = false
  const readiness = trackReadiness({ print() {}, isAsleep: () => isAsleep })
  const front = { ...ready, id: 9, name: 'front-door' } as const
  const expected = new Map([
    ['history', 1],
    ['front-door', 1],
  ])
  const fewer = readiness.until(expected, 10_000)
  readiness.onEvent({ ...ready, id: 0 })
  readiness.onEvent({ ...exit, id: 1, startedAt: 1 })
  readiness.onEvent(front)
  await t.resolves(fewer, 'one is left')

  const none = readiness.until(expected, 10_000)
  isAsleep = true
  readiness.onEvent({ ...exit, id: 0, startedAt: 1 })
  await t.resolves(none, 'none is needed')

  isAsleep = false
  const crashed = readiness.until(expected, 10_000)
  readiness.onEvent({ ...exit, id: 0, code: 1, startedAt: 1 })
  await t.rejects(crashed, { message: /history: it ended with code 1/ }, 'a crash is one')
})
