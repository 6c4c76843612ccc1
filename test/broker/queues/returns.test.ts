import t from 'tap'
import { consumer, OWNER, startVhost } from '../vhost/helpers.ts'

for (const type of ['classic', 'quorum']) {
  t.test(`what comes back to a ${type} queue is not overtaken, however much it is`, async (t) => {
    const { vhost, declare, publish, settled } = await startVhost(t, { turnMs: 0.01 })
    declare('queue', { 'x-queue-type': type })
    await publish('', 'queue', 2_000)
    const queue = vhost.queue('queue', OWNER)
    const taken = Array.from({ length: 1_000 }, () => queue.get(false)).filter((entry) => entry !== undefined)
    const positions: number[] = []
    const release = queue.holdBack()
    const steps = queue.requeue(taken, false)
    steps.next()
    queue.addConsumer(consumer(({ position }) => positions.push(position)))
    t.ok(queue.messageCount < 2_000, 'it comes back in steps')
    t.same(positions, [], 'nobody gets anything')
    t.ok(queue.expire(), 'who fetches one waits for that')
    for (const _ of steps);
    release()
    await settled(() => positions.length === 2_000)
    t.same(
      positions,
      positions.toSorted((a, b) => a - b),
    )
    t.equal(queue.expire(), undefined)
  })
}
