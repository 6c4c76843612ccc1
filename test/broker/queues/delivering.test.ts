import t from 'tap'
import { consumer, mostInOneTurn, OWNER, startVhost } from '../vhost/helpers.ts'

t.test('what many consumers could take at once is delivered in slices, in order', async (t) => {
  const { vhost, declare, publish } = await startVhost(t, { turnMs: 0.5 })
  const COUNT = 10_000
  declare('queue')
  await publish('', 'queue', COUNT)
  const queue = vhost.queue('queue', OWNER)
  const positions: number[] = []
  let isWaiting = true
  const consumers = Array.from({ length: 4 }, () => ({
    ...consumer(({ position }) => positions.push(position)),
    canTake: () => !isWaiting,
  }))
  for (const one of consumers) queue.addConsumer(one)
  isWaiting = false
  for (const one of consumers) queue.consumers.resume(one)
  const most = mostInOneTurn(() => positions.length, COUNT)
  queue.deliver()
  t.ok((await most) < COUNT / 3, `${await most} in one turn at most`)
  t.same(
    positions,
    positions.toSorted((a, b) => a - b),
  )
})
