import t from 'tap'
import { BrokerUnavailableError, UnrecoverableError } from '../../supervisor/base/errors.ts'
import type { Headers, Incoming } from '../../supervisor/base/message.ts'
import { createProcessor } from '../../supervisor/execution/processor.ts'
import { collect } from '../helpers/collect.ts'
import { testLog } from '../helpers/messaging.ts'
import { runnerOf, STOPPED } from '../helpers/outcome.ts'

/** A processor whose handlers the test ends, and whose settlements it sees. */
function stage({
  concurrency = 10,
  attempts = 1,
  retry = async () => {},
  deadLetter = async () => {},
  onPrefetch = () => {},
}: {
  concurrency?: number
  attempts?: number
  retry?: (headers: Headers, delayMs: number) => Promise<void>
  deadLetter?: (bare: boolean) => Promise<void>
  onPrefetch?: (prefetch: number) => void
} = {}) {
  const started = collect<{ id: string; end(result?: string): void; fail(error: unknown): void }>('started handlers')
  const settled = collect<string>('settlements')
  const letters: Headers[] = []
  const replies: unknown[][] = []
  const runner = runnerOf(
    ({ id }, stop) =>
      new Promise((resolve, reject) => {
        stop.addEventListener('abort', () => reject(stop.reason))
        started.push({ id, end: resolve, fail: reject })
      }),
  )
  const processor = createProcessor({
    worker: 'w',
    concurrency,
    attempts,
    backoff: { type: 'fixed', delay: 200, maxDelay: 200, jitter: 0 },
    runner,
    log: testLog().log,
    settled: async () => {},
    async isolate({ id }) {
      settled.push(`isolate ${id}`)
    },
    retry: (_, headers, { delayMs }) => retry(headers, delayMs),
    async deadLetter(_, headers, { bare }) {
      await deadLetter(bare)
      letters.push(headers)
    },
    async reply(to, body, errorName) {
      replies.push([to.to, body.toString(), errorName])
    },
    onPrefetch,
  })
  const lost = new AbortController()
  const message = (id: string, reply?: Incoming['reply'], more: Partial<Incoming> = {}): Incoming => ({
    queue: 'q',
    suspects: 'q.suspects',
    isSuspect: false,
    returns: 0,
    deadLetters: 'q.dead',
    id,
    attempt: 1,
    requestId: undefined,
    body: Buffer.from('{}'),
    properties: { headers: {} },
    raw: undefined,
    unreadable: [],
    reply,
    lost: lost.signal,
    ack: () => settled.push(`ack ${id}`),
    requeue: () => settled.push(`requeue ${id}`),
    ...more,
  })
  return { processor, started, settled, letters, replies, message, lost }
}

t.test('quick handlers have more at hand, but not while messages come back', async (t) => {
  const told: number[] = []
  const { processor, started, message } = stage({ onPrefetch: (prefetch) => told.push(prefetch) })
  async function handleMany(more: Partial<Incoming>): Promise<void> {
    for (let i = 0; i < 40; i++) {
      processor.handle(message('a', undefined, more))
      started.items.at(-1)?.end()
      await processor.idle()
    }
  }
  await handleMany({ returns: 1 })
  t.same(told, [])
  await handleMany({})
  t.equal(told.length, 1)
  t.ok((told[0] as number) > 10, `${told[0]} at a time`)
})

t.test('a message is acked once its handler has returned', async (t) => {
  const { processor, started, settled, message } = stage()
  processor.handle(message('a'))
  const [run] = await started.reach(1)
  t.equal(settled.items.length, 0)
  run?.end()
  t.strictSame(await settled.reach(1), ['ack a'])
})

t.test('no more handlers than the concurrency run at once', async (t) => {
  const { processor, started, settled, message } = stage({ concurrency: 2 })
  for (const id of ['a', 'b', 'c', 'd']) processor.handle(message(id))
  await started.reach(2)
  await new Promise(setImmediate)
  t.equal(started.items.length, 2)
  t.equal(processor.inProgress, 4, 'those that wait as well')
  started.items[0]?.end()
  await started.reach(3)
  t.strictSame(settled.items, ['ack a'])
  t.equal(processor.inProgress, 3)
})

t.test('what waits on a lost connection is not handled: it comes again', async (t) => {
  const { processor, started, settled, message, lost } = stage({ concurrency: 1 })
  processor.handle(message('a'))
  processor.handle(message('b'))
  lost.abort(new Error('gone'))
  started.items[0]?.end()
  await settled.reach(1)
  t.equal(started.items.length, 1)
})

t.test('a failure is acked only after its dead letter is confirmed, however long the broker is away', async (t) => {
  let tries = 0
  const { processor, started, settled, letters, message } = stage({
    async deadLetter() {
      if (++tries === 1) throw new BrokerUnavailableError('away')
      t.equal(settled.items.length, 0)
    },
  })
  processor.handle(message('a'))
  started.items[0]?.fail(new UnrecoverableError('no way'))
  t.strictSame(await settled.reach(1), ['ack a'])
  t.equal(tries, 2)
  t.match(letters, [{ 'x-dead-reason': 'unrecoverable', 'x-dead-message': 'no way', 'x-dead-worker': 'w' }])
})

t.test('a failure with attempts left is acked only after its next attempt is confirmed', async (t) => {
  const retries: unknown[][] = []
  const { processor, started, settled, letters, message } = stage({
    attempts: 3,
    async retry(headers, delayMs) {
      t.equal(settled.items.length, 0)
      retries.push([headers['x-attempt'], delayMs])
      if (retries.length === 1) throw new BrokerUnavailableError('away')
    },
  })
  processor.handle(message('a'))
  started.items[0]?.fail(new Error('not yet'))
  t.strictSame(await settled.reach(1), ['ack a'])
  t.strictSame(retries, [
    [2, 200],
    [2, 200],
  ])
  t.equal(letters.length, 0)
})

t.test('what has come back twice is set apart, without being handled', async (t) => {
  const { processor, started, settled, message } = stage()
  processor.handle(message('a', undefined, { returns: 1 }))
  processor.handle(message('b', undefined, { returns: 2 }))
  t.strictSame(await settled.reach(2), ['isolate b', 'ack b'])
  t.strictSame(
    started.items.map(({ id }) => id),
    ['a'],
  )
  // The queue of one process alone has no queue of suspects.
  processor.handle(message('c', undefined, { returns: 7, suspects: undefined }))
  t.equal((await started.reach(2)).at(-1)?.id, 'c')
})

t.test('a suspect is handled alone: it waits for what runs, and what comes waits for it', async (t) => {
  const { processor, started, settled, message } = stage()
  const ids = () => started.items.map(({ id }) => id)
  processor.handle(message('a'))
  processor.handle(message('s', undefined, { isSuspect: true }))
  processor.handle(message('b'))
  await settled.reach(0)
  t.strictSame(ids(), ['a'])
  started.items[0]?.end()
  await started.reach(2)
  t.strictSame(ids(), ['a', 's'])
  started.items[1]?.end()
  await started.reach(3)
  t.strictSame(ids(), ['a', 's', 'b'])
  started.items[2]?.end()
  t.strictSame(await settled.reach(3), ['ack a', 'ack s', 'ack b'])
})

t.test('a suspect that has ended its process as often as it has attempts is a dead letter', async (t) => {
  const { processor, started, settled, letters, message } = stage({ attempts: 3 })
  processor.handle(message('a', undefined, { isSuspect: true, returns: 2 }))
  await started.reach(1)
  started.items[0]?.fail(new Error('well, an error'))
  await settled.reach(1)
  t.match(letters, [{ 'x-dead-reason': 'failed', 'x-dead-attempts': 3 }], 'that was its third attempt')

  processor.handle(message('b', undefined, { isSuspect: true, returns: 3 }))
  t.strictSame(await settled.reach(2), ['ack a', 'ack b'])
  t.equal(started.items.length, 1, 'it is not handled once more')
  t.match(letters[1], { 'x-dead-reason': 'killed', 'x-dead-message': /killed the worker 3 times/ })
})

t.test('a suspect that a drain puts back is not charged for it', async (t) => {
  const { processor, started, settled, message } = stage()
  processor.handle(message('a'))
  processor.handle(message('s', undefined, { isSuspect: true }))
  const drained = processor.drain(AbortSignal.timeout(5_000))
  t.strictSame(await settled.reach(2), ['isolate s', 'ack s'])
  started.items[0]?.end()
  await drained
})

t.test('anything may be thrown', async (t) => {
  const { processor, started, settled, letters, message } = stage()
  processor.handle(message('a'))
  started.items[0]?.fail('a string')
  await settled.reach(1)
  t.match(letters, [{ 'x-dead-message': "the thrown value is not an Error: 'a string'" }])
  const odd = [
    Object.assign(new Error('x'), { message: { not: 'a text' } }),
    Object.create(null),
    new Error('n'.repeat(9)),
  ]
  for (const [i, error] of odd.entries()) {
    processor.handle(message(`odd ${i}`))
    started.items.at(-1)?.fail(error)
    await settled.reach(2 + i)
  }
  t.equal(letters.length, 4)
  t.ok(letters.every((headers) => typeof headers['x-dead-message'] === 'string'))
})

t.test('a dead letter that can not be encoded is tried without the headers that came with it', async (t) => {
  const tries: boolean[] = []
  const { processor, started, settled, message } = stage({
    async deadLetter(bare) {
      tries.push(bare)
      if (!bare) throw new RangeError('too large')
    },
  })
  processor.handle(message('a'))
  started.items[0]?.fail(new Error('x'))
  t.strictSame(await settled.reach(1), ['ack a'])
  t.strictSame(tries, [false, true])
})

t.test("threads that can't start send the message back", async (t) => {
  const { processor, started, settled, letters, message } = stage()
  processor.handle(message('a'))
  started.items[0]?.fail(STOPPED)
  t.strictSame(await settled.reach(1), ['requeue a'])
  t.strictSame(letters, [])
})

t.test('a call is answered with the result or the error', async (t) => {
  const { processor, started, settled, replies, message } = stage()
  processor.handle(message('a', { to: 'caller', correlationId: '1' }))
  processor.handle(message('b', { to: 'caller', correlationId: '2' }))
  started.items[0]?.end('{"sum":1}')
  await settled.reach(1)
  started.items[1]?.fail(new RangeError('too far'))
  await settled.reach(2)
  t.strictSame(replies, [
    ['caller', '{"sum":1}', undefined],
    ['caller', 'too far', 'RangeError'],
  ])
})

t.test('a drain gives back what has not started and waits for what runs', async (t) => {
  const { processor, started, settled, message } = stage({ concurrency: 1 })
  processor.handle(message('a'))
  processor.handle(message('b'))
  const drained = processor.drain(new AbortController().signal)
  processor.handle(message('late'))
  t.strictSame(settled.items, ['requeue b', 'requeue late'])
  started.items[0]?.end()
  await drained
  t.strictSame(settled.items, ['requeue b', 'requeue late', 'ack a'])
})

t.test('at the deadline what still runs is aborted and given back', async (t) => {
  const { processor, settled, letters, message } = stage()
  processor.handle(message('a'))
  const deadline = new AbortController()
  const drained = processor.drain(deadline.signal)
  deadline.abort()
  await drained
  t.strictSame(settled.items, ['requeue a'])
  t.strictSame(letters, [])
})
