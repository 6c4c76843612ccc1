import { statfsSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import t, { type Test } from 'tap'
import { type Broker, startBroker } from '../../supervisor/broker/start.ts'
import { cannotMount as skip, smallDisk } from '../helpers/small-disk.ts'
import { until } from '../helpers/until.ts'

// What it takes is the disk's, and the machine's.
t.setTimeout(100_000)

const MB = 2 ** 20
const BODY = Buffer.alloc(200_000, 'x')
const QUORUM = { arguments: { 'x-queue-type': 'quorum' } }

interface Watched {
  broker: Broker
  /** What it has said about blocked publishers; undefined for that they are not. */
  said: (string | undefined)[]
  isBlocked(): boolean
}

async function start(folder: string, diskFreeLimit: number): Promise<Watched> {
  const said: (string | undefined)[] = []
  const nothing = () => {}
  const log = {
    debug: nothing,
    error: nothing,
    warn: (details: object) => void ('reason' in details && said.push(String(details.reason))),
    info: (_: object, message: string) => void (message.includes('no longer blocked') && said.push(undefined)),
  }
  const broker = await startBroker({ folder, diskFreeLimit, log })
  return { broker, said, isBlocked: () => said.at(-1) !== undefined }
}

async function open(t: Test, url: string): Promise<{ model: ChannelModel; channel: ConfirmChannel }> {
  const model = await connect(url)
  model.on('error', () => {})
  t.teardown(() => model.close().catch(() => {}))
  const channel = await model.createConfirmChannel()
  return { model, channel }
}

/** Sends until the broker blocks it; returns how many were confirmed. */
async function fill(t: Test, { broker, isBlocked }: Watched): Promise<number> {
  const { model, channel } = await open(t, broker.url)
  let confirmed = 0
  let unconfirmed = 0
  const blocked = new Promise<void>((resolve) => model.once('blocked', () => resolve()))
  const full = (async () => {
    while (!isBlocked()) {
      // As fast as it takes them.
      for (; unconfirmed < 100; unconfirmed++) {
        channel.sendToQueue('q', BODY, { persistent: true }, (error) => {
          unconfirmed--
          if (!error) confirmed++
        })
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  await Promise.all([blocked, full])
  ;(model.connection as unknown as { stream: Socket }).stream.destroy()
  return confirmed
}

/** Takes all that is there; returns how many those were. */
async function drain(channel: ConfirmChannel): Promise<number> {
  let count = 0
  await channel.prefetch(50)
  const { consumerTag } = await channel.consume('q', (message) => {
    if (!message) return
    count++
    channel.ack(message)
  })
  await until(async () => (await channel.checkQueue('q')).messageCount === 0, { what: 'the queue to be empty' })
  await channel.cancel(consumerTag)
  // Behind all acknowledgements.
  await channel.checkQueue('q')
  return count
}

t.test(
  'a full disk is free again once what is on it is consumed, after a restart too',
  { skip, timeout: 50_000 },
  async (t) => {
    const folder = join(smallDisk(t, 48), 'broker')
    const limit = 12_000_000
    for (const restarts of [false, true]) {
      let watched = await start(folder, limit)
      const { channel: declaring } = await open(t, watched.broker.url)
      await declaring.assertQueue('q', QUORUM)
      const confirmed = await fill(t, watched)
      t.ok(confirmed > 50, `${confirmed} fit`)
      if (restarts) {
        await watched.broker.close()
        watched = await start(folder, limit)
      }
      const { channel } = await open(t, watched.broker.url)
      const count = await drain(channel)
      t.ok(count >= confirmed, `${count} were there, ${confirmed} confirmed`)
      await until(() => !watched.isBlocked(), { what: 'publishers to go on' })
      channel.sendToQueue('q', BODY, { persistent: true })
      await channel.waitForConfirms()
      await channel.purgeQueue('q')
      await watched.broker.close()
    }
  },
)

t.test('what is queued can be moved on while publishers wait for space', { skip, timeout: 50_000 }, async (t) => {
  const watched = await start(join(smallDisk(t, 64), 'broker'), 24 * MB)
  const { channel } = await open(t, watched.broker.url)
  await channel.assertQueue('q', QUORUM)
  await channel.assertQueue('later', QUORUM)
  const confirmed = await fill(t, watched)
  const { model, channel: worker } = await open(t, watched.broker.url)
  model.on('blocked', () => t.fail('it was told to wait'))
  await worker.prefetch(10)
  let count = 0
  await worker.consume('q', (message) => {
    if (!message) return
    // The first of them fail, and are tried again later: before that is confirmed, they are kept.
    if (count++ < 20) worker.sendToQueue('later', message.content, { persistent: true }, () => worker.ack(message))
    else worker.ack(message)
  })
  await until(() => count >= confirmed, { what: 'all to be consumed' })
  await until(() => !watched.isBlocked(), { what: 'publishers to go on' })
  t.equal((await channel.checkQueue('later')).messageCount, 20)
  await watched.broker.close()
})

t.test('a fast publisher is stopped before the reserve is used up', { skip, timeout: 50_000 }, async (t) => {
  const disk = smallDisk(t, 96)
  const limit = 32 * MB
  const watched = await start(join(disk, 'broker'), limit)
  const { channel } = await open(t, watched.broker.url)
  await channel.assertQueue('q', QUORUM)
  await fill(t, watched)
  // Whatever it has taken is on disk by then.
  await channel.checkQueue('q')
  await channel.assertQueue('another', QUORUM)
  const { bavail, bsize } = statfsSync(disk)
  t.match(watched.said, [/ has \d+ MB of disk space left/], 'for this reason, and once')
  t.ok(bavail * bsize > limit / 2, `${Math.round((bavail * bsize) / MB)} MB are left`)
  await watched.broker.close()
})
