import t from 'tap'
import { ValidationError } from '../../supervisor/base/errors.ts'
import { cursorOf, isAt, readCursor } from '../../supervisor/messaging/cursor.ts'
import { idOf, readDeadLetter } from '../../supervisor/messaging/dead-letter.ts'

const letter = (headers: Record<string, unknown>, messageId?: string) => ({
  content: Buffer.from('{}'),
  properties: { headers, messageId },
})
const death = (reason: string, value: number) => ({ reason, queue: 'q', count: 1, time: { '!': 'timestamp', value } })

t.test("what the broker gave up: its latest death, and an earlier attempt's failure", async (t) => {
  const headers = {
    'x-attempt': 2,
    'x-dead-first-failed-at': '2026-11-23T10:00:00.000Z',
    'x-death': [death('delivery_limit', 1_800_000_000), death('expired', 1)],
  }
  t.match(readDeadLetter(letter(headers, 'm'), 'w', 'q.dead'), {
    reason: 'delivery_limit',
    error: null,
    attempts: null,
    firstFailedAt: '2026-11-23T10:00:00.000Z',
    lastFailedAt: '2027-01-15T08:00:00.000Z',
  })
})

t.test('anything that is in a queue can be read', async (t) => {
  for (const headers of [{}, { 'x-death': 'nonsense' }, { 'x-death': [null] }, { 'x-dead-attempts': 'x' }]) {
    const { reason, attempts, firstFailedAt } = readDeadLetter(letter(headers, 'm'), 'w', 'q.dead')
    t.same([reason, attempts, firstFailedAt], ['unknown', null, null])
  }
})

t.test('the id of one without does not change with looking at it, and does with what it holds', async (t) => {
  const id = idOf(letter({ a: 1 }))
  t.equal(idOf(letter({ a: 1, 'x-delivery-count': 7 })), id)
  t.not(idOf(letter({ a: 2 })), id)
  t.equal(idOf(letter({ a: 1 }, 'its own')), 'its own')
})

t.test('a cursor finds its letter where it was or further up, and no other', async (t) => {
  const at = readDeadLetter(letter({ 'x-dead-reason': 'failed', 'x-dead-last-failed-at': 'then' }, 'm'), 'w', 'q.dead')
  const cursor = readCursor(cursorOf({ worker: 'w', index: 5, id: 'm', at: 'then' }))
  t.ok(isAt(cursor, at, 5))
  t.ok(isAt(cursor, at, 3))
  t.notOk(isAt(cursor, at, 6))
  t.notOk(isAt(cursor, { ...at, lastFailedAt: 'later' }, 5))
  for (const bad of ['', 'x', cursorOf({ worker: 'w', index: -1, id: 'm', at: null })]) {
    t.throws(() => readCursor(bad), ValidationError)
  }
})
