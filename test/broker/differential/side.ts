import type { Fields } from './amqplib-codec.ts'
import { bodyOf, bodyText } from './bodies.ts'
import { name, normalise } from './names.ts'
import { GOODBYE, messageOf, requestOf } from './request.ts'
import type { ChannelIndex, Step } from './step.ts'
import { type Arrival, openWire, type Wire } from './wire.ts'

/** A delivery that waits to be settled. The key is the same on every broker; the tag is this broker's. */
export interface Outstanding {
  key: string
  tag: number
}

/** What one broker does with a program. */
export interface Side {
  /** What was observed, by who observed it; in each the order is promised. */
  readonly observed: Map<string, string[]>
  outstanding(on: ChannelIndex): readonly Outstanding[]
  /** Does a step, and all that can be waited for on its channel. `tag` is that of a step that settles. */
  perform(step: Step, tag?: number): Promise<void>
  /** Resolves when what the broker had to do for all earlier steps is done, as far as it lets one know. */
  settle(): Promise<void>
  /** Closes a channel, if it is open. */
  closeChannel(on: ChannelIndex): Promise<void>
  /** Closes the program's connections, and with them its exclusive queues. */
  leave(): Promise<void>
  /** Reads all that is left in these queues. */
  drain(queues: readonly string[]): Promise<void>
  /** Deletes everything and closes the connections. */
  close(queues: readonly string[], exchanges: readonly string[]): Promise<void>
}

interface Channel {
  open: boolean
  confirms: boolean
  getsNoAck: boolean
  noAck: Set<string>
  outstanding: Outstanding[]
  seen: Map<string, number>
  published: number
  unconfirmed: Map<number, string>
  returned: Set<string>
}

/** What a broker's run shares: programs run side by side wait together. */
export type Barrier = () => Promise<void>

/** Opens a program's two connections, and one to look at the queues with. */
export async function openSide(url: string, prefix: string, barrier: Barrier): Promise<Side> {
  const observed = new Map<string, string[]>()
  const channels: Channel[] = [0, 1, 2].map(newChannel)
  const wires: Wire[] = await Promise.all([openWire(url), openWire(url), openWire(url)])
  const read: number[] = [0, 0]
  let messages = 0

  const connectionOf = (on: ChannelIndex) => (on === 2 ? 1 : 0)
  const numberOf = (on: ChannelIndex) => (on === 1 ? 2 : 1)
  const wireOf = (on: ChannelIndex) => wires[connectionOf(on)] as Wire
  const indexOf = (connection: number, number: number): ChannelIndex => (connection === 1 ? 2 : number === 2 ? 1 : 0)
  const channelOf = (on: ChannelIndex) => channels[on] as Channel

  function note(who: string, what: string): void {
    const lines = observed.get(who)
    if (lines) lines.push(what)
    else observed.set(who, [what])
  }

  function deliver(on: ChannelIndex, { fields, properties, body }: Arrival, tag: string, noAck: boolean): void {
    const channel = channelOf(on)
    const { deliveryTag, consumerTag: _, ...rest } = fields
    const shown = bodyText(body)
    note(`channel ${on} ${tag}`, normalise(prefix, { ...rest, properties, body: shown }))
    const same = `${tag} ${shown}`
    const occurrence = (channel.seen.get(same) ?? 0) + 1
    channel.seen.set(same, occurrence)
    if (!noAck) channel.outstanding.push({ key: `${same} ${occurrence}`, tag: Number(deliveryTag) })
  }

  function confirm(on: ChannelIndex, how: string, { deliveryTag, multiple }: Fields): void {
    const channel = channelOf(on)
    for (const [tag, body] of channel.unconfirmed) {
      if (tag !== deliveryTag && !(multiple && tag < Number(deliveryTag))) continue
      channel.unconfirmed.delete(tag)
      const returned = channel.returned.has(body) ? ' after its return' : ''
      note(`channel ${on} confirms*`, `${body} ${how}${returned}`)
    }
  }

  function absorb(connection: number): void {
    const { arrivals } = wires[connection] as Wire
    for (let at = read[connection] as number; at < arrivals.length; at++) {
      const arrival = arrivals[at] as Arrival
      const { name: what, fields } = arrival
      const on = indexOf(connection, arrival.channel)
      const channel = channelOf(on)
      if (what === 'BasicDeliver') {
        const tag = String(fields.consumerTag)
        deliver(on, arrival, tag, channel.noAck.has(tag))
      } else if (what === 'BasicGetOk') deliver(on, arrival, 'replies', channel.getsNoAck)
      else if (what === 'BasicAck' || what === 'BasicNack') confirm(on, what, fields)
      else if (what === 'BasicReturn') {
        const { properties } = arrival
        const body = bodyText(arrival.body)
        channel.returned.add(body)
        note(`channel ${on} returns`, normalise(prefix, { ...fields, properties, body }))
      } else if (what === 'ChannelClose') {
        channels[on] = newChannel()
        note(`channel ${on} replies`, `${what} ${normalise(prefix, fields)}`)
      } else if (what === 'ConnectionClose') note(`connection ${connection}`, `${what} ${normalise(prefix, fields)}`)
      else if (what === 'SocketClose') forget(connection)
      else if (what === 'BasicCancel') note(`channel ${on} ${fields.consumerTag}`, what)
      else if (!/^Channel(Flow|Open)Ok$|^ConnectionCloseOk$/.test(what))
        note(`channel ${on} replies`, `${what} ${normalise(prefix, fields)}`)
    }
    read[connection] = arrivals.length
  }

  function forget(connection: number): void {
    for (const on of connection === 1 ? [2] : [0, 1]) channels[on] = newChannel()
  }

  /** The connection to look at what is left with, also when the broker has been away. */
  async function looking(): Promise<Wire> {
    if (wires[2]?.closed) wires[2] = await openWire(url)
    return wires[2] as Wire
  }

  async function ready(on: ChannelIndex): Promise<Channel> {
    const connection = connectionOf(on)
    if (wireOf(on).closed) {
      absorb(connection)
      wires[connection] = await openWire(url)
      read[connection] = 0
      forget(connection)
    }
    if (!channelOf(on).open) {
      await wireOf(on).request('ChannelOpen', numberOf(on))
      absorb(connection)
      channelOf(on).open = true
    }
    return channelOf(on)
  }

  function publish(on: ChannelIndex, channel: Channel, step: Step & { op: 'publish' }): void {
    const body = bodyOf(messages++, step.size)
    if (channel.confirms) channel.unconfirmed.set(++channel.published, bodyText(body))
    wireOf(on).publish(numberOf(on), ...messageOf(prefix, step), body)
  }

  function settleDelivery(
    on: ChannelIndex,
    channel: Channel,
    step: Step & { op: 'settle' },
    deliveryTag: number,
  ): void {
    const { how, multiple, requeue } = step
    const tell = (method: string, fields: Fields) => wireOf(on).send(method, numberOf(on), { deliveryTag, ...fields })
    if (how === 'ack') tell('BasicAck', { multiple })
    else if (how === 'nack') tell('BasicNack', { multiple, requeue })
    else tell('BasicReject', { requeue })
    const many = multiple && how !== 'reject'
    channel.outstanding = channel.outstanding.filter((o) => (many ? o.tag > deliveryTag : o.tag !== deliveryTag))
  }

  const ask = async (on: ChannelIndex, method: string, fields: Fields = {}) => {
    await wireOf(on).request(method, numberOf(on), fields)
  }
  const sync = (on: ChannelIndex) => ask(on, 'ChannelFlow', { active: true })

  async function perform(step: Step, tag = 0): Promise<void> {
    const { on } = step
    const channel = await ready(on)
    // Before it is asked for: what the answer brings is read by these.
    if (step.op === 'get') channel.getsNoAck = step.noAck
    if (step.op === 'consume') channel.noAck[step.noAck ? 'add' : 'delete'](step.tag)
    if (step.op === 'recover') channel.outstanding = []

    const request = requestOf(prefix, step)
    if (request) await ask(on, ...request)
    else if (step.op === 'publish') publish(on, channel, step)
    else if (step.op === 'settle') settleDelivery(on, channel, step, tag)
    else if (step.op === 'badAck') wireOf(on).send('BasicAck', numberOf(on), { deliveryTag: 1_000_000 })
    else if (step.op === 'cut') {
      wireOf(on).cut()
      await wireOf(on).arrival(({ name: what }) => what === 'SocketClose')
    }

    if (step.op === 'confirm') channel.confirms = true
    absorb(connectionOf(on))
    if (step.op === 'closeChannel') channels[on] = newChannel()
    if (!wireOf(on).closed && channelOf(on).open) await sync(on)
  }

  return {
    observed,
    outstanding: (on) => channelOf(on).outstanding,
    perform,

    async settle() {
      await barrier()
      absorb(0)
      absorb(1)
      for (const on of [0, 1, 2] as const) if (!wireOf(on).closed && channelOf(on).open) await sync(on)
      absorb(0)
      absorb(1)
    },

    async closeChannel(on) {
      if (!wireOf(on).closed && channelOf(on).open) await perform({ op: 'closeChannel', on })
    },

    async leave() {
      await Promise.all([(wires[0] as Wire).close(), (wires[1] as Wire).close()])
      absorb(0)
      absorb(1)
    },

    async drain(queues) {
      const look = await looking()
      for (const queue of queues) {
        await look.request('ChannelOpen', 1)
        let got: Arrival
        do {
          got = await look.request('BasicGet', 1, { queue: name(prefix, queue), noAck: true })
          const { deliveryTag: _, ...fields } = got.fields
          const { properties, body } = got
          note(`left in ${queue}`, `${got.name} ${normalise(prefix, { ...fields, properties, body: bodyText(body) })}`)
        } while (got.name === 'BasicGetOk')
        if (got.name === 'BasicGetEmpty') await look.request('ChannelClose', 1, GOODBYE)
      }
    },

    async close(queues, exchanges) {
      const look = await looking()
      await look.request('ChannelOpen', 2)
      for (const queue of queues) await look.request('QueueDelete', 2, { queue: name(prefix, queue) })
      for (const exchange of exchanges) await look.request('ExchangeDelete', 2, { exchange: name(prefix, exchange) })
      await Promise.all(wires.map((wire) => wire.close()))
    },
  }
}

function newChannel(): Channel {
  return {
    open: false,
    confirms: false,
    getsNoAck: false,
    noAck: new Set(),
    outstanding: [],
    seen: new Map(),
    published: 0,
    unconfirmed: new Map(),
    returned: new Set(),
  }
}
