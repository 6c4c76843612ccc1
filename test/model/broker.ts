// A broker as far as the fate of a worker's messages depends on it: at-least-once delivery, confirms, and counts of returns.

/** How brokers differ in what counts as a return. */
export interface Flavour {
  readonly name: string
  /** Whether a message that is given back by `basic.nack` counts as one that came back. */
  readonly countsNack: boolean
}

export const FLAVOURS: readonly Flavour[] = [
  { name: 'the embedded broker', countsNack: false },
  { name: 'RabbitMQ 3.10', countsNack: true },
  { name: 'RabbitMQ 4.3', countsNack: false },
]

/** Where a message can be. */
export type Place = 'queue' | 'suspects' | 'dead'

/** A message, or a copy of one. */
export interface Stored {
  readonly id: string
  readonly attempt: number
  readonly headers: Readonly<Record<string, unknown>>
  returns: number
  redelivered: boolean
}

/** One delivery of a message, from when it is handed out until it is acknowledged or void. */
export interface Delivery {
  readonly stored: Stored
  /** When the broker took the message back, in steps. */
  endedAt: number | undefined
  /** When the worker last asked whether the delivery counts. */
  askedAt: number
  /** The connections over which the broker has taken copies of it. */
  readonly copies: object[]
  isAcked: boolean
}

/** What is published: a message that moves on, and the delivery that it is a copy of. */
export interface Publication {
  readonly to: Place
  readonly delayed: boolean
  readonly stored: Stored
  readonly of: Delivery
}

/** A consumer's channel, as the broker has it. */
export interface Channel {
  readonly place: 'queue' | 'suspects'
  readonly prefetch: number
  readonly unacked: Map<number, Delivery>
  lastTag: number
  send(tag: number, delivery: Delivery): void
}

export class SimBroker {
  readonly flavour: Flavour
  readonly ready: Record<Place, Stored[]> = { queue: [], suspects: [], dead: [] }
  readonly delayed: { to: Place; stored: Stored }[] = []
  readonly channels = new Set<Channel>()
  hasAlarm = false
  step = 0
  /** By id: how often a copy was taken, and a process or a connection ended before the acknowledgement came. */
  readonly windows = new Map<string, number>()
  /** By id: the latest attempt. */
  readonly attempts = new Map<string, number>()
  /** By id: how often a message went back to its queue after it had been handed out. */
  readonly requeues = new Map<string, number>()
  /** What must not happen. */
  readonly faults: string[] = []

  constructor(flavour: Flavour) {
    this.flavour = flavour
  }

  /** Hands out one message on a channel. @returns whether there was one, and room for it */
  deliver(channel: Channel): boolean {
    if (channel.unacked.size >= channel.prefetch) return false
    const stored = this.ready[channel.place].shift()
    if (!stored) return false
    const delivery: Delivery = { stored, endedAt: undefined, askedAt: -1, copies: [], isAcked: false }
    const tag = ++channel.lastTag
    channel.unacked.set(tag, delivery)
    channel.send(tag, delivery)
    return true
  }

  ack(channel: Channel, tag: number, allUpTo: boolean): void {
    const tags = allUpTo ? [...channel.unacked.keys()].filter((other) => other <= tag) : [tag]
    for (const each of tags) {
      const delivery = channel.unacked.get(each)
      if (!delivery) {
        this.faults.push(`tag ${each} was acknowledged twice`)
        continue
      }
      delivery.isAcked = true
      channel.unacked.delete(each)
    }
  }

  nack(channel: Channel, tag: number): void {
    const delivery = channel.unacked.get(tag)
    if (!delivery) return void this.faults.push(`tag ${tag} was given back, and is not out`)
    channel.unacked.delete(tag)
    this.#takeBack(channel, delivery, this.flavour.countsNack)
  }

  /** A channel has ended: all that it had goes back, in order. */
  close(channel: Channel): void {
    this.channels.delete(channel)
    for (const delivery of [...channel.unacked.values()].reverse()) this.#takeBack(channel, delivery, true)
    channel.unacked.clear()
  }

  #takeBack(channel: Channel, delivery: Delivery, counts: boolean): void {
    const { stored } = delivery
    delivery.endedAt = this.step
    // The copies are there, and the message lives on beside them.
    if (delivery.copies.length > 0) add(this.windows, stored.id, 1)
    add(this.requeues, stored.id, 1)
    if (counts) stored.returns++
    stored.redelivered = true
    this.ready[channel.place].unshift(stored)
  }

  /** @param by the connection by which it comes */
  take({ to, delayed, stored, of }: Publication, by: object): void {
    if (of.askedAt < 0) this.faults.push(`${stored.id}: copied without a look whether its delivery counts`)
    if (of.isAcked) this.faults.push(`${stored.id}: a copy came after its message had been acknowledged`)
    if (of.endedAt !== undefined) {
      // Nobody could know only if the delivery counted when the broker was asked, after the attempt had ended.
      if (of.endedAt <= of.askedAt) this.faults.push(`${stored.id}: a delivery that was void was copied`)
      add(this.windows, stored.id, 1)
    }
    if (of.copies.length > 0) {
      // The connection of the one before ended before its confirm had come.
      if (of.copies.includes(by)) this.faults.push(`${stored.id}: copied twice over one connection`)
      add(this.windows, stored.id, 1)
    }
    of.copies.push(by)
    this.attempts.set(stored.id, Math.max(stored.attempt, this.attempts.get(stored.id) ?? 1))
    if (delayed) this.delayed.push({ to, stored })
    else this.ready[to].push(stored)
  }

  /** The time of a delayed message has come. */
  due(index: number): void {
    const [message] = this.delayed.splice(index, 1)
    if (message) this.ready[message.to].push(message.stored)
  }

  /** Nothing is left to be handled. */
  get isEmpty(): boolean {
    const unacked = [...this.channels].some(({ unacked }) => unacked.size > 0)
    return this.ready.queue.length + this.ready.suspects.length + this.delayed.length === 0 && !unacked
  }
}

export function add(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by)
}
