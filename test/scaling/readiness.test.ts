import t from 'tap'
import { trackReadiness } from '../../supervisor/scaling/readiness.ts'

const ready = { kind: 'state', name: 'history', state: { status: 'ready' } } as const
const exit = { kind: 'exit', name: 'history', code: 0 } as const

t.test('the end of a process that was removed is not the end of its successor', async (t) => {
  const readiness = trackReadiness(() => {}, false)
  const done = readiness.until(new Map([['history', 1]]), 10_000, 1_000)
  // As pm2 may tell it: after the successor's start, under the same id when the list was empty between.
  readiness.onEvent({ ...exit, id: 0, startedAt: 999 })
  readiness.onEvent({ ...ready, id: 0 })
  await t.resolves(done)
})

t.test('the end of one that was started for it is', async (t) => {
  const readiness = trackReadiness(() => {}, false)
  const done = readiness.until(new Map([['history', 1]]), 10_000, 1_000)
  readiness.onEvent({ ...exit, id: 0, code: 3, startedAt: 1_000 })
  readiness.onEvent({ ...ready, id: 0 })
  await t.rejects(done, { code: 'WARREN_START', message: /history: it ended with code 3 before it was ready/ })
})

t.test('whoever refuses the others where the broker can not listen is not what is wrong', async (t) => {
  const refused = { status: 'waiting', code: 'ACCESS_REFUSED', reason: 'refused' } as const
  const broker = { kind: 'state', name: 'broker', id: 1 } as const
  const expected = new Map([
    ['broker', 1],
    ['history', 1],
  ])
  const taken = trackReadiness(() => {}, false)
  const done = taken.until(expected, 10_000)
  taken.onEvent({ ...ready, id: 0, state: refused })
  taken.onEvent({ ...broker, state: { status: 'failed', reason: 'Port 5682 is in use' } })
  await t.rejects(done, { message: 'broker: Port 5682 is in use' })

  const ours = trackReadiness(() => {}, false)
  const wrong = ours.until(expected, 10_000)
  ours.onEvent({ ...broker, state: { status: 'ready' } })
  ours.onEvent({ ...ready, id: 0, state: refused })
  await t.rejects(wrong, { message: 'history: refused' }, 'but it is, once the broker is up')
})

t.test('ready is when all are, and only then', async (t) => {
  const readiness = trackReadiness(() => {}, false)
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
  const readiness = trackReadiness(
    () => {},
    false,
    () => isAsleep,
  )
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
