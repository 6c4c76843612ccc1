import { randomBytes } from 'node:crypto'
import net, { type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startBroker } from '../../../supervisor/index.ts'
import { type Link, openLink } from '../../../supervisor/messaging/link.ts'
import { type FrameProxy, startFrameProxy } from '../../helpers/frame-proxy.ts'
import { randomFrom } from '../../helpers/random.ts'
import { digestOf } from '../../helpers/strict-frames.ts'

const RUNS = Number(process.env.WARREN_RUNS ?? 12)
const SEED = Number(process.env.WARREN_SEED ?? 1)
/** Octets: what a message may be written in one piece up to, RabbitMQ's frames, and around each. */
const LIMITS = [0, 1, 8 * 1024, 32 * 1024, 64 * 1024, 131_072 - 8, 2 * (131_072 - 8), 300_000]

const HEARTBEAT = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce])

/** A link through a strict proxy, with a heartbeat after each piece that goes to its socket. */
async function strictLink(t: Test): Promise<{ link: Link; proxy: FrameProxy; socket: Socket }> {
  const broker = await startBroker()
  t.teardown(() => broker.close())
  const url = new URL(broker.url)
  const proxy = await startFrameProxy(t, Number(url.port))
  url.port = String(proxy.port)
  const { connect } = net
  let socket = new net.Socket()
  net.connect = ((...args: Parameters<typeof connect>) => (socket = connect(...args))) as typeof connect
  const link = await openLink({ url: url.href, name: 'test' }).finally(() => (net.connect = connect))
  t.teardown(() => link.close())
  const write = socket.write.bind(socket) as (bytes: Buffer) => boolean
  socket.write = (bytes: unknown) => {
    write(bytes as Buffer)
    return write(HEARTBEAT)
  }
  return { link, proxy, socket }
}

t.test('whatever goes out at once, each octet is part of a whole frame, and each body is as it was sent', async (t) => {
  const random = randomFrom(SEED)
  const nat = (below: number) => Math.floor(random() * below)
  const { link, proxy } = await strictLink(t)
  const sent: string[] = []
  proxy.onMessage = ({ digest, bytes }) => sent.push(`${bytes} ${digest}`)
  const publishers = await Promise.all([link.confirmChannel(), link.confirmChannel()])
  const declarer = await link.channel()
  const queues = await Promise.all([1, 2].map(() => declarer.assertQueue('', { exclusive: true })))

  for (let run = 0; run < RUNS; run++) {
    const expected: string[] = []
    const works: Promise<unknown>[] = []
    for (let n = 0; n < 40; n++) {
      const kind = nat(10)
      if (kind === 0) works.push(declarer.assertQueue('', { exclusive: true }))
      else if (kind === 1) works.push(link.withChannel((channel) => channel.assertQueue('', { exclusive: true })))
      // On the channel that publishes, between its messages.
      else if (kind === 2) works.push((publishers[nat(2)] as (typeof publishers)[0]).checkQueue(queues[0]?.queue ?? ''))
      else {
        const size = Math.max(0, (LIMITS[nat(LIMITS.length)] as number) + nat(5) - 2)
        const body = randomBytes(size)
        expected.push(`${size} ${digestOf(body)}`)
        const id = kind === 3 ? `№ ${n}` : `id-${n}`
        const channel = publishers[nat(2)] as (typeof publishers)[0]
        const properties = { messageId: id, persistent: true, headers: { n } }
        const publication = { exchange: '', routingKey: queues[nat(2)]?.queue ?? '', properties }
        works.push(
          new Promise<void>((resolve, reject) => {
            channel.send(publication, body, (error) => (error ? reject(error) : resolve()))
          }),
        )
      }
      if (nat(4) === 0) await new Promise(setImmediate)
    }
    await link.orLost(Promise.all(works))
    t.same(sent.splice(0).sort(), expected.sort(), `run ${run} of seed ${SEED}`)
    for (const { queue } of queues) await declarer.purgeQueue(queue)
  }
  t.same(proxy.violations, [])
})

t.test('the strict parser sees a heartbeat within a frame', async (t) => {
  const { link, proxy, socket } = await strictLink(t)
  const ended = new Promise((resolve) => link.lost.addEventListener('abort', resolve))
  await link.confirmChannel()
  // The head of a body frame, and after it, as a piece of its own, what belongs into it.
  socket.write(Buffer.from([3, 0, 1, 0, 0, 0, 4]))
  await ended
  t.equal(proxy.violations.length, 1)
})
