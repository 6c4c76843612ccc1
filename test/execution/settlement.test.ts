import t from 'tap'
import { recordOf } from '../../supervisor/base/error-record.ts'
import {
  HandlerExitError,
  HandlerMemoryError,
  HandlerTimeoutError,
  InvalidMessageError,
  RetryError,
  UnrecoverableError,
  ValidationError,
} from '../../supervisor/base/errors.ts'
import { deadLetterHeaders, decide, retryHeaders } from '../../supervisor/execution/settlement.ts'

const backoff = { type: 'exponential', delay: 1_000, maxDelay: 60_000, jitter: 0.5 } as const
const chances = { attempt: 1, attempts: 5, backoff, isCall: false }
const last = { ...chances, attempt: 5 }

t.test('success is acked, a stopped attempt goes back to its queue', async (t) => {
  t.strictSame(decide({ status: 'done', result: undefined }, chances, 0), { action: 'ack' })
  t.strictSame(decide({ status: 'stopped' }, last, 0), { action: 'requeue' })
})

t.test('a failure of the last attempt is a dead letter with its reason', async (t) => {
  const cases = [
    [new InvalidMessageError('x', []), 'invalid'],
    // Of what the handler sent: the message that it got is not to blame.
    [new ValidationError('x', []), 'failed'],
    [new UnrecoverableError('x'), 'unrecoverable'],
    [new HandlerTimeoutError('w', 1), 'timeout'],
    [new HandlerMemoryError('w', 1), 'memory'],
    [new HandlerExitError('w', 'x'), 'exit'],
    [new RangeError('x'), 'failed'],
  ] as const
  for (const [thrown, reason] of cases) {
    const error = recordOf(thrown)
    t.strictSame(decide({ status: 'failed', error }, last, 0), { action: 'dead-letter', reason, error }, reason)
  }
})

t.test('a failure with attempts left is tried again, unless no attempt can mend it', async (t) => {
  const fate = (error: Error, more = {}, random = 0) =>
    decide({ status: 'failed', error: recordOf(error) }, { ...chances, ...more }, random)
  const retryAfter = (delayMs: number) => ({ action: 'retry', delayMs })
  t.match(fate(new RangeError('x')), { ...retryAfter(1_000), reason: 'failed' })
  t.match(fate(new HandlerTimeoutError('w', 1), { attempt: 3 }), { ...retryAfter(4_000), reason: 'timeout' })
  t.match(fate(new HandlerMemoryError('w', 1), { attempt: 4 }, 1), { ...retryAfter(4_000), reason: 'memory' })
  t.match(fate(new RetryError({ delay: '30s' })), retryAfter(30_000))
  t.match(fate(new RetryError({ delay: 0 })), retryAfter(0))
  t.match(fate(new RetryError(), { attempt: 2 }), retryAfter(2_000))
  for (const error of [new InvalidMessageError('x', []), new UnrecoverableError('x')]) {
    t.match(fate(error), { action: 'dead-letter' })
  }
  t.match(fate(new RetryError({ delay: '30s' }), { attempt: 5 }), { action: 'dead-letter', reason: 'failed' })
  t.match(fate(new RangeError('x'), { attempts: 1 }), { action: 'dead-letter' })
  t.match(fate(new RangeError('x'), { isCall: true }), { action: 'dead-letter' })
  t.match(fate(new RangeError('x'), { attempt: 7 }), { action: 'dead-letter' }, 'its worker gives fewer than before')
})

t.test('a next attempt is counted, and knows when it all began', async (t) => {
  const at = new Date(0)
  const first = retryHeaders({ attempt: 1, at, before: {} })
  t.strictSame(first, { 'x-attempt': 2, 'x-dead-first-failed-at': '1970-01-01T00:00:00.000Z' })
  t.strictSame(retryHeaders({ attempt: 2, at: new Date(), before: first }), { ...first, 'x-attempt': 3 })
})

t.test('a RetryError refuses what is no delay', async (t) => {
  for (const delay of ['soon', -1, '400d']) t.throws(() => new RetryError({ delay }), ValidationError)
  t.match(new RetryError({ delay: '1m', message: 'why', cause: 'that' }), {
    delayMs: 60_000,
    message: 'why',
    cause: 'that',
  })
})

t.test("headers tell a dead letter's story, cut to what headers can hold", async (t) => {
  const error = new Error(`${'ü'.repeat(5_000)}`)
  error.stack = 'x'.repeat(20_000)
  const facts = {
    reason: 'failed',
    error: recordOf(error),
    attempts: 3,
    worker: 'w',
    host: 'h',
    at: new Date(0),
  } as const
  const headers = deadLetterHeaders({ ...facts, before: {} })
  t.ok(Buffer.byteLength(headers['x-dead-message'] as string) <= 2 * 1024)
  t.match(headers['x-dead-message'], /^ü+…$/)
  t.ok(Buffer.byteLength(headers['x-dead-stack'] as string) <= 8 * 1024)
  t.equal(headers['x-dead-first-failed-at'], '1970-01-01T00:00:00.000Z')
  t.equal(
    deadLetterHeaders({ ...facts, before: { 'x-dead-first-failed-at': 'earlier' } })['x-dead-first-failed-at'],
    'earlier',
  )
})
