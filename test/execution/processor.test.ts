import t from 'tap'
import { BrokerUnavailableError, KilledError, TopologyError, UnrecoverableError } from '../../supervisor/base/errors.ts'
import type { Incoming } from '../../supervisor/base/message.ts'
import { stage } from '../helpers/stage.ts'

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

t.test('suspects are handled in the sandbox, in half of the places, while others go on', async (t) => {
  const { processor, started, settled, message } = stage({ concurrency: 4 })
  const where = () => started.items.map(({ id, where }) => `${id} ${where}`)
  processor.handle(message('a'))
  for (const id of ['s', 't', 'u']) processor.handle(message(id, undefined, { isSuspect: true }))
  for (const id of ['b', 'c']) processor.handle(message(id))
  await started.reach(4)
  t.strictSame(where(), ['a process', 's sandbox', 't sandbox', 'b process'])
  started.items[1]?.end()
  await started.reach(5)
  t.equal(where().at(-1), 'u sandbox')
  started.items[0]?.end()
  t.equal((await started.reach(6)).at(-1)?.id, 'c')
  for (const { end } of started.items) end()
  t.equal((await settled.reach(6)).length, 6)
})

t.test('how often a message came back charges it nothing', async (t) => {
  const { processor, started, settled, letters, message } = stage({ attempts: 2 })
  processor.handle(message('a', undefined, { isSuspect: true, returns: 7 }))
  ;(await started.reach(1))[0]?.fail(new Error('its first attempt'))
  t.strictSame(await settled.reach(1), ['ack a'])
  t.strictSame(letters, [], 'it is tried again')
  processor.handle(message('b', undefined, { isSuspect: true, returns: 7, attempt: 2 }))
  ;(await started.reach(2))[1]?.fail(new KilledError('w', 2, 'SIGSEGV'))
  await settled.reach(2)
  t.match(letters, [{ 'x-dead-reason': 'killed', 'x-dead-attempts': 2 }])
})

t.test('a drain gives suspects back as they came', async (t) => {
  const { processor, started, settled, message } = stage({ concurrency: 1 })
  processor.handle(message('a'))
  processor.handle(message('s', undefined, { isSuspect: true }))
  const drained = processor.drain(AbortSignal.timeout(5_000))
  t.strictSame(await settled.reach(1), ['requeue s'])
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
  started.items[0]?.giveUp()
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

t.test('a failed message that waits for the broker holds no place among those that run', async (t) => {
  let isAway = true
  const { processor, started, settled, message } = stage({
    concurrency: 1,
    async deadLetter() {
      if (isAway) throw new BrokerUnavailableError('away')
    },
  })
  processor.handle(message('a'))
  processor.handle(message('b'))
  started.items[0]?.fail(new Error('x'))
  const [, b] = await started.reach(2)
  t.equal(processor.inProgress, 2)
  b?.end()
  t.strictSame(await settled.reach(1), ['ack b'])
  isAway = false
  t.strictSame(await settled.reach(2), ['ack b', 'ack a'])
  await processor.idle()
  t.equal(processor.inProgress, 0)
})

t.test('a next attempt that can never be sent ends as a dead letter', async (t) => {
  let tries = 0
  const { processor, started, settled, letters, message } = stage({
    attempts: 3,
    async retry() {
      tries++
      throw new TopologyError('the queues of delayed messages', 'refused')
    },
  })
  processor.handle(message('a'))
  started.items[0]?.fail(new Error('x'))
  t.strictSame(await settled.reach(1), ['ack a'])
  t.equal(tries, 3)
  t.match(letters, [{ 'x-dead-reason': 'failed', 'x-dead-attempts': 1 }])
})
