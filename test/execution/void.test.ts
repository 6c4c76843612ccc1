// What a lost connection does to the messages that came by it.
import t from 'tap'
import type { Incoming } from '../../supervisor/base/message.ts'
import { type StageOptions, stage } from '../helpers/stage.ts'

/** A stage whose messages come by connections that can be lost, one after the other. */
function lines(options: StageOptions = {}) {
  const retries: unknown[] = []
  const staged = stage({ attempts: 2, retry: async (headers) => void retries.push(headers['x-attempt']), ...options })
  let line = new AbortController()
  function deliver(id: string, more: Partial<Incoming> = {}): void {
    staged.processor.handle(staged.message(id, undefined, { lost: line.signal, ...more }))
  }
  return {
    ...staged,
    retries,
    deliver,
    redeliver: (id: string, more: Partial<Incoming> = {}) => deliver(id, { redelivered: true, returns: 1, ...more }),
    lose() {
      line.abort(new Error('gone'))
      line = new AbortController()
    },
  }
}

t.test('a failure that comes too late settles nothing, and the redelivery waits for its end', async (t) => {
  const { deliver, redeliver, lose, started, settled, retries, letters, processor } = lines()
  deliver('a')
  const [first] = await started.reach(1)
  lose()
  t.ok(first?.lost.aborted, 'its handler is told')
  redeliver('a')
  await new Promise(setImmediate)
  t.equal(started.items.length, 1, 'never twice at once')
  t.equal(processor.inProgress, 1, 'one message')
  first?.fail(new Error('too late'))
  const [, second] = await started.reach(2)
  t.strictSame([settled.items, retries, letters], [[], [], []])
  t.equal(second?.attempt, 1, 'uncharged')
  second?.fail(new Error('in time'))
  t.strictSame(await settled.reach(1), ['ack a'])
  t.strictSame(retries, [2])
})

t.test('a success that comes too late settles the redelivery', async (t) => {
  const { deliver, redeliver, lose, started, settled, processor } = lines({ concurrency: 1 })
  deliver('a')
  await started.reach(1)
  for (const _ of [1, 2, 3]) {
    lose()
    redeliver('a')
  }
  deliver('b')
  t.equal(processor.inProgress, 2)
  started.items[0]?.end()
  t.strictSame(await settled.reach(1), ['ack a'], 'once')
  t.equal((await started.reach(2))[1]?.id, 'b')
})

t.test('without a redelivery here nothing is settled: another instance has it', async (t) => {
  const { deliver, redeliver, lose, started, settled, processor } = lines()
  deliver('a')
  lose()
  redeliver('a')
  lose()
  started.items[0]?.end()
  await processor.idle()
  t.strictSame(settled.items, [])
  redeliver('a')
  t.equal((await started.reach(2)).length, 2)
})

t.test('only the same message waits: another attempt, another body or a new message does not', async (t) => {
  const { deliver, redeliver, lose, started } = lines()
  deliver('a')
  lose()
  redeliver('a', { attempt: 2 })
  redeliver('a', { body: Buffer.from('{"other":1}') })
  redeliver('a', { queue: 'another' })
  deliver('a')
  await new Promise(setImmediate)
  t.equal(started.items.length, 5)
  redeliver('a')
  redeliver('a')
  await new Promise(setImmediate)
  t.equal(started.items.length, 6, 'one waits for the run, and one is a second message')
})

t.test('a suspect does not run beside itself', async (t) => {
  const { deliver, redeliver, lose, started, settled } = lines()
  deliver('a')
  lose()
  // Another instance has moved it.
  deliver('a', { isSuspect: true })
  lose()
  redeliver('a', { isSuspect: true })
  await new Promise(setImmediate)
  t.equal(started.items.length, 1)
  started.items[0]?.end()
  t.strictSame(await settled.reach(1), ['ack a'])
})

t.test('what waits on a lost connection is not handled, and not counted: it comes again', async (t) => {
  const { deliver, redeliver, lose, started, processor } = lines({ concurrency: 2 })
  const ids = Array.from({ length: 10 }, (_, n) => `${n}`)
  for (const id of ids) deliver(id)
  for (const _ of [1, 2, 3, 4, 5]) {
    lose()
    for (const id of ids) redeliver(id)
  }
  t.equal(processor.inProgress, 10)
  t.equal(started.items.length, 2)
})

t.test('nothing is copied by a delivery that the broker does not know any more', async (t) => {
  const line = new AbortController()
  const { processor, started, settled, message, letters } = stage()
  let asked = 0
  processor.handle(
    message('a', undefined, {
      lost: line.signal,
      held: async () => {
        asked++
        return false
      },
    }),
  )
  started.items[0]?.fail(new Error('x'))
  await processor.idle()
  t.equal(asked, 1)
  t.strictSame([letters, settled.items], [[], []])
})

t.test('a drain gives a redelivery back whose run it has ended', async (t) => {
  const { deliver, redeliver, lose, settled, processor } = lines()
  deliver('a')
  lose()
  redeliver('a')
  await processor.drain(AbortSignal.abort())
  t.strictSame(settled.items, ['requeue a'])
})

t.test('what was read before its connection was lost, and comes after, is not run: it comes again', async (t) => {
  const { lose, lost, redeliver, message, started, settled, processor } = lines()
  lost.abort(new Error('gone'))
  processor.handle(message('a'))
  t.equal(processor.inProgress, 0)
  lose()
  redeliver('a')
  const [run] = await started.reach(1)
  await new Promise(setImmediate)
  t.equal(started.items.length, 1, 'never twice at once')
  run?.end()
  t.strictSame(await settled.reach(1), ['ack a'])
})
