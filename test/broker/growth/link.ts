import { BROKER_NODE_FLAGS } from '../../../supervisor/base/broker-flags.ts'
import { startWatchedBroker, type WatchedBroker } from '../../helpers/watched-broker.ts'
import { type Argument, bodyFrames, type Field, header, type MethodName, method } from '../fuzz/bytes.ts'
import { type Client, type Delivery, openClient } from '../fuzz/client.ts'

/** A client that says no more than it has to, so that what is measured is the broker. */
export interface Link {
  readonly client: Client
  /** What is called for each delivery; it can be set at any time. */
  onDelivery: (delivery: Delivery) => void
  /** Sends a method on channel 1, and resolves with the payload of its answer. @throws if the connection ends instead */
  ask(name: MethodName, answer: MethodName, values?: Readonly<Record<string, Argument>>): Promise<Buffer>
  /** Publishes messages, each the frames that it is given as, and resolves when all are confirmed. */
  publish(count: number, message: (index: number) => Buffer): Promise<void>
  /** Resolves when all that was done before is on disk. */
  synced(): Promise<void>
  /** Ready messages of a queue. */
  ready(queue: string): Promise<number>
  /** Resolves when a queue has so many ready messages. */
  holds(queue: string, count: number): Promise<void>
  /** Ends the connection without a word. */
  cut(): Promise<void>
}

/** A broker's process with its clients. */
export interface Driver {
  readonly broker: WatchedBroker
  open(): Promise<Link>
  /** Ends the broker in good order and starts it again; its clients are gone. */
  restart(): Promise<void>
  close(): Promise<void>
}

/** Messages in one write, and unconfirmed at a time. */
const [AT_ONCE, UNCONFIRMED] = [200, 2_000]
/** Milliseconds between two looks at a queue, which cost the broker next to nothing. */
const LOOK_AGAIN = 10

export async function startDriver(folder: string): Promise<Driver> {
  const options = { folder, execArgv: BROKER_NODE_FLAGS }
  let broker = await startWatchedBroker(options)
  const links = new Set<Link>()
  return {
    get broker() {
      return broker
    },
    async open() {
      const link = await openLink(broker)
      links.add(link)
      return link
    },
    async restart() {
      await broker.stop()
      broker = await startWatchedBroker(options)
    },
    async close() {
      for (const link of links) await link.cut()
      await broker.kill()
    },
  }
}

async function openLink({ url, port }: WatchedBroker): Promise<Link> {
  const { username, password } = new URL(url)
  let confirmed = 0
  let published = 0
  let onConfirm: () => void = () => {}
  let wrong = ''
  const client = openClient(
    { port, user: username, password },
    {
      onDelivery: (delivery) => link.onDelivery(delivery),
      onMethod(_, name, payload) {
        if (name === 'basic.ack' || name === 'basic.nack') {
          const tag = Number(payload.readBigUInt64BE(4))
          // With `multiple` it is the highest so far, and every number before it was counted once.
          confirmed = payload.readUInt8(12) & 1 ? tag : confirmed + 1
          onConfirm()
        }
        if (name.endsWith('.close')) wrong = payload.toString('latin1', 7)
      },
      onFault(what) {
        wrong = what
      },
    },
  )
  const refused = client.next(1, 'channel.close').then(() => undefined)
  client.send(method(1, 'channel.open'))

  async function ask(name: MethodName, answer: MethodName, values: Readonly<Record<string, Argument>> = {}) {
    const answered = client.next(1, answer)
    client.send(method(1, name, values))
    const payload = await Promise.race([answered, refused])
    if (!payload) throw new Error(`Expected ${answer}, found: ${wrong || 'the end of the connection'}`)
    return payload
  }

  const link: Link = {
    client,
    onDelivery() {},
    ask,

    async publish(count, message) {
      const target = published + count
      while (published < target) {
        const size = Math.min(AT_ONCE, target - published)
        const first = count - (target - published)
        client.send(...Array.from({ length: size }, (_, i) => message(first + i)))
        published += size
        if (published - confirmed > UNCONFIRMED) await confirms(published - UNCONFIRMED / 2)
      }
      await confirms(target)
    },

    async synced() {
      // A durable exchange is answered for when it is on disk, and all before it.
      await ask('exchange.declare', 'exchange.declare-ok', { exchange: 'synced', type: 'direct', durable: true })
      await ask('exchange.delete', 'exchange.delete-ok', { exchange: 'synced' })
    },

    async ready(queue) {
      const payload = await ask('queue.declare', 'queue.declare-ok', { queue, passive: true })
      return payload.readUInt32BE(5 + payload.readUInt8(4))
    },

    async holds(queue, count) {
      while ((await link.ready(queue)) !== count) await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN))
    },

    async cut() {
      client.cut()
      await client.closed
    },
  }

  function confirms(count: number): Promise<void> {
    return new Promise((resolve, reject) => {
      void client.closed.then(() => reject(new Error(`Expected confirms, found the end of the connection: ${wrong}`)))
      onConfirm = () => void (confirmed >= count && resolve())
      onConfirm()
    })
  }

  await ask('confirm.select', 'confirm.select-ok')
  return link
}

/** The property that a message is persistent. */
export const PERSISTENT: Buffer = Buffer.from([0x10, 0, 2])

export interface MessageOptions {
  /** @default 1 */
  readonly channel?: number
  readonly exchange?: string
  readonly routingKey?: string
  readonly properties?: Buffer
  /** Bytes. */
  readonly size?: number
}

/** The frames of a message. */
export function message(options: MessageOptions): Buffer {
  const { channel = 1, exchange = '', routingKey = '', properties = PERSISTENT, size = 100 } = options
  return Buffer.concat([
    method(channel, 'basic.publish', { exchange, routingKey }),
    header(channel, size, properties),
    ...bodyFrames(channel, Buffer.alloc(size, 'x'), 131_064),
  ])
}

/** Declares a durable queue, of type quorum like Warren's own unless the arguments say otherwise. */
export async function declareQueue(link: Link, queue: string, args: readonly Field[] = []): Promise<void> {
  await link.ask('queue.declare', 'queue.declare-ok', { queue, durable: true, arguments: [QUORUM, ...args] })
}

export const QUORUM: Field = { name: Buffer.from('x-queue-type'), tag: 'S', value: Buffer.from('\0\0\0\x06quorum') }
