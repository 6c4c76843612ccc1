// A client in a process of its own, told by its parent what to do: amqplib the way Warren uses it.
import { type ChannelModel, connect } from 'amqplib'

/** What it can be told. */
export type Task =
  | { do: 'reset' }
  | { do: 'publish' | 'consume'; count: number }
  | { do: 'latency'; count: number; perSecond: number }

/** Milliseconds: how long it took, or each message's. */
export type Answer = number[]

const BODY = Buffer.alloc(256, 'x')
const IN_FLIGHT = 2_000
const PREFETCH = 250
const ACK_EVERY = 50
const [url = '', queue = ''] = process.argv.slice(2)
const PERSISTENT = { persistent: true, contentType: 'application/json' }

const publishing = await connect(url, { noDelay: true })
const consuming = await connect(url, { noDelay: true })
process.on('message', async (task: Task) => {
  process.send?.(await perform(task))
})
process.send?.([])

function perform(task: Task): Promise<Answer> {
  if (task.do === 'reset') return reset()
  if (task.do === 'latency') return latency(task.count, task.perSecond)
  return timed(() => (task.do === 'publish' ? publish : consume)(task.count))
}

async function timed(action: () => Promise<void>): Promise<Answer> {
  const start = performance.now()
  await action()
  return [performance.now() - start]
}

async function reset(): Promise<Answer> {
  const channel = await publishing.createChannel()
  await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  await channel.purgeQueue(queue)
  await channel.close()
  return []
}

async function publish(count: number): Promise<void> {
  const channel = await publishing.createConfirmChannel()
  await new Promise<void>((resolve, reject) => {
    let sent = 0
    let confirmed = 0
    send()
    function send(): void {
      for (; sent < count && sent - confirmed < IN_FLIGHT; sent++) {
        channel.sendToQueue(queue, BODY, PERSISTENT, onConfirm)
      }
    }
    function onConfirm(error: unknown): void {
      if (error) return void reject(error)
      if (++confirmed === count) resolve()
      else if (sent - confirmed <= IN_FLIGHT / 2) send()
    }
  })
  await channel.close()
}

async function consume(count: number): Promise<void> {
  const channel = await consuming.createChannel()
  await channel.prefetch(PREFETCH)
  await new Promise<void>((resolve, reject) => {
    let received = 0
    channel
      .consume(queue, (message) => {
        if (!message) return reject(new Error('the consumer was cancelled'))
        received++
        if (received % ACK_EVERY === 0 || received === count) channel.ack(message, true)
        if (received === count) resolve()
      })
      .catch(reject)
  })
  // Answered when the acknowledgements were handled.
  await channel.close()
}

/** From publishing to delivery, of each message, at a steady pace. */
async function latency(count: number, perSecond: number): Promise<Answer> {
  const [out, back] = [await publishing.createConfirmChannel(), await consuming.createChannel()]
  await back.prefetch(PREFETCH)
  const times: number[] = []
  await new Promise<void>((resolve, reject) => {
    back
      .consume(queue, (message) => {
        if (!message) return reject(new Error('the consumer was cancelled'))
        times.push(performance.now() - message.content.readDoubleLE(0))
        back.ack(message)
        if (times.length === count) resolve()
      })
      .then(pace, reject)

    function pace(): void {
      let sent = 0
      const start = performance.now()
      const timer = setInterval(() => {
        const due = Math.min(count, ((performance.now() - start) * perSecond) / 1_000)
        for (; sent < due; sent++) {
          const body = Buffer.from(BODY)
          body.writeDoubleLE(performance.now(), 0)
          out.sendToQueue(queue, body, PERSISTENT)
        }
        if (sent === count) clearInterval(timer)
      }, 1)
    }
  })
  await Promise.all([out.close(), back.close()])
  return times
}

process.on('disconnect', () => void Promise.all([publishing, consuming].map((c: ChannelModel) => c.close())))
