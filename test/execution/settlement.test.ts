import t from 'tap'
import {
  HandlerExitError,
  HandlerMemoryError,
  HandlerTimeoutError,
  InvalidMessageError,
  UnrecoverableError,
  ValidationError,
} from '../../supervisor/base/errors.ts'
import { deadLetterHeaders, decide } from '../../supervisor/execution/settlement.ts'

t.test('success is acked, a stopped attempt goes back to its queue', async (t) => {
  t.strictSame(decide({ status: 'done', result: undefined }), { action: 'ack' })
  t.strictSame(decide({ status: 'stopped' }), { action: 'requeue' })
})

t.test('a failure is a dead letter with its reason', async (t) => {
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
  for (const [error, reason] of cases) {
    t.strictSame(decide({ status: 'failed', error }), { action: 'dead-letter', reason, error }, reason)
  }
})

t.test("headers tell a dead letter's story, cut to what headers can hold", async (t) => {
  const error = new Error(`${'ü'.repeat(5_000)}`)
  error.stack = 'x'.repeat(20_000)
  const facts = { reason: 'failed', error, attempts: 3, worker: 'w', host: 'h', at: new Date(0) } as const
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
