// Traffic for a broker that is going to be killed, and books on what the broker has promised.
import { once } from 'node:events'
import { type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib'

export const EXCHANGE = 'crash'
export const QUEUES = ['quorum', 'classic'] as const
export type QueueName = (typeof QUEUES)[number]

const MARKERS = 'markers'
const IN_FLIGHT = 150
const PREFETCH = 100
/** Messages that a consumer keeps before it settles the older half. */
const HELD = 60
/** Acks between two round trips. */
const ROUND_TRIP = 25

/** What is known of one queue's messages, by id. */
export interface Book {
  readonly published: Set<string>
  readonly confirmed: Set<string>
  readonly received: Set<string>
  /** The acknowledgement was sent, */
  readonly acked: Set<string>
  /** and a publish behind it on the same channel was confirmed: it is durable. */
  readonly settled: Set<string>
  /** `x-delivery-count` as it was before such a confirm. */
  readonly counts: Map<string, number>
}

export type Books = Record<QueueName, Book>

export function newBooks(): Books {
  const book = (): Book => ({
    published: new Set(),
    confirmed: new Set(),
    received: new Set(),
    acked: new Set(),
    settled: new Set(),
    counts: new Map(),
  })
  return { quorum: book(), classic: book() }
}

export async function declareTopology(url: string): Promise<void> {
  const connection = await connect(url)
  const channel = await connection.createChannel()
  await channel.assertExchange(EXCHANGE, 'fanout')
  await channel.assertQueue('quorum', { arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': -1 } })
  await channel.assertQueue('classic')
  await channel.assertQueue(MARKERS, { arguments: { 'x-max-length': 1 } })
  for (const queue of QUEUES) await channel.bindQueue(queue, EXCHANGE, '')
  await connection.close()
}

/** The body that the message of an id has: most are small, a few have several frames. */
export function bodyOf(id: string): Buffer {
  const number = Number(id.split('-')[1])
  const size = number % 97 === 0 ? 200_000 : (number * 37) % 1_500
  return Buffer.alloc(id.length + size, id)
}

/**
 * Publishes, and consumes if told to, until the broker is gone.
 * @returns to be called when it is: resolves once every connection has noticed
 */
export async function startLoad(
  url: string,
  { quorum, classic }: Books,
  { name, consume, random }: { name: string; consume: boolean; random: () => number },
): Promise<() => Promise<unknown>> {
  const publishers = [
    startPublisher(url, { exchange: EXCHANGE, key: '', name: `both${name}`, into: [quorum, classic] }),
    startPublisher(url, { exchange: '', key: 'quorum', name: `quorum${name}`, into: [quorum] }),
    startPublisher(url, { exchange: '', key: 'classic', name: `classic${name}`, into: [classic] }),
  ]
  const consumers = consume
    ? [startConsumer(url, 'quorum', quorum, random), startConsumer(url, 'classic', classic, random)]
    : []
  const parts = await Promise.all([...publishers, ...consumers])
  return () => Promise.all(parts.map(({ closed }) => closed))
}

interface Part {
  /** Resolves when its connection has ended. */
  readonly closed: Promise<unknown>
}

interface Publisher {
  exchange: string
  key: string
  name: string
  into: Book[]
}

async function startPublisher(url: string, { exchange, key, name, into }: Publisher): Promise<Part> {
  const { channel, closed, isOpen } = await open(url)
  let inFlight = 0
  let count = 0
  pump()
  return { closed }

  function pump(): void {
    while (isOpen() && inFlight < IN_FLIGHT) {
      const id = `${name}-${count++}`
      inFlight++
      for (const { published } of into) published.add(id)
      channel.publish(exchange, key, bodyOf(id), { persistent: true, messageId: id }, function onConfirm(error) {
        inFlight--
        if (error) return
        for (const { confirmed } of into) confirmed.add(id)
        if (inFlight < IN_FLIGHT / 2) pump()
      })
    }
  }
}

async function startConsumer(url: string, queue: QueueName, book: Book, random: () => number): Promise<Part> {
  const { channel, closed, isOpen } = await open(url)
  let held: ConsumeMessage[] = []
  let unproven: string[] = []
  let counts: [string, number][] = []
  await channel.prefetch(PREFETCH)
  await channel.consume(queue, (message) => {
    if (!message || !isOpen()) return
    const id: string = message.properties.messageId
    book.received.add(id)
    const count = message.properties.headers?.['x-delivery-count']
    if (count !== undefined) counts.push([id, count])
    const chance = random()
    if (chance < 0.003) ackAll(message)
    else if (chance < 0.1) channel.reject(message)
    else if (chance < 0.6) ack(message)
    else held.push(message)
    if (held.length >= HELD) settleOlder()
    if (unproven.length >= ROUND_TRIP) roundTrip()
  })
  return { closed }

  function note(message: ConsumeMessage): void {
    book.acked.add(message.properties.messageId)
    unproven.push(message.properties.messageId)
  }

  function ack(message: ConsumeMessage): void {
    note(message)
    channel.ack(message)
  }

  function ackAll(message: ConsumeMessage): void {
    for (const each of [...held, message]) note(each)
    held = []
    channel.ack(message, true)
  }

  function settleOlder(): void {
    for (const message of held.splice(0, HELD / 2)) {
      if (random() < 0.5) ack(message)
      else channel.nack(message)
    }
  }

  function roundTrip(): void {
    const [proven, seen] = [unproven, counts]
    unproven = []
    counts = []
    sendMarker(channel, function onConfirm(error) {
      if (error) return
      for (const id of proven) book.settled.add(id)
      for (const [id, count] of seen) book.counts.set(id, count)
    })
  }
}

/** Publishes to a queue that keeps one message alone: what was done before on the channel is durable once it is confirmed. */
export function sendMarker(channel: ConfirmChannel, onConfirm: (error: unknown) => void): void {
  channel.sendToQueue(MARKERS, Buffer.from('marker'), { persistent: true }, onConfirm)
}

async function open(url: string) {
  const connection = await connect(url)
  let isOpen = true
  const closed = once(connection, 'close').then(noteEnd, noteEnd)
  // It is going to be cut.
  connection.on('error', noteEnd)
  const channel = await connection.createConfirmChannel()
  channel.on('error', noteEnd)
  channel.on('close', noteEnd)
  return { channel, closed, isOpen: () => isOpen }

  function noteEnd(): void {
    isOpen = false
  }
}
