import type { Fields } from './amqplib-codec.ts'
import { name, normalise } from './names.ts'
import type { ChannelIndex, Step } from './program.ts'
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
  /** Hands the program's connections back, and reads all that is left in these queues. */
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
    note(`channel ${on} ${tag}`, normalise(prefix, { ...rest, properties, body: String(body) }))
    const same = `${tag} ${body}`
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
        channel.returned.add(String(arrival.body))
        const { properties, body } = arrival
        note(`channel ${on} returns`, normalise(prefix, { ...fields, properties, body: String(body) }))
      } else if (what === 'ChannelClose') {
        channels[on] = newChannel()
        note(`channel ${on} replies`, `${what} ${normalise(prefix, fields)}`)
      } else if (what === 'ConnectionClose') note(`connection ${connection}`, `${what} ${normalise(prefix, fields)}`)
      else if (what === 'SocketClose') forget(connection)
      else if (what === 'BasicCancel') note(`channel ${on} ${fields.consumerTag}`, what)
      else if (!/^Channel(Flow|Open)Ok$/.test(what))
        note(`channel ${on} replies`, `${what} ${normalise(prefix, fields)}`)
    }
    read[connection] = arrivals.length
  }

  function forget(connection: number): void {
    for (const on of connection === 1 ? [2] : [0, 1]) channels[on] = newChannel()
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
    const body = `m${messages++}`
    const { headers = {}, ...properties } = step.properties as { headers?: Fields }
    const named = { ...headers }
    for (const key of ['CC', 'BCC']) if (key in named) named[key] = (named[key] as string[]).map((k) => name(prefix, k))
    if (channel.confirms) channel.unconfirmed.set(++channel.published, body)
    wireOf(on).publish(
      numberOf(on),
      { exchange: name(prefix, step.exchange), routingKey: name(prefix, step.key), mandatory: step.mandatory },
      step.properties.headers ? { ...properties, headers: named } : properties,
      Buffer.from(body),
    )
  }

  const ask = async (on: ChannelIndex, method: string, fields: Fields = {}) => {
    await wireOf(on).request(method, numberOf(on), fields)
  }
  const sync = (on: ChannelIndex) => ask(on, 'ChannelFlow', { active: true })

  async function perform(step: Step, tag?: number): Promise<void> {
    const { on } = step
    const channel = await ready(on)
    const queue = 'queue' in step ? name(prefix, step.queue) : ''
    const exchange = 'exchange' in step ? name(prefix, step.exchange) : ''
    const routingKey = 'key' in step ? name(prefix, step.key) : ''
    const tell = (method: string, fields: Fields) => wireOf(on).send(method, numberOf(on), fields)

    switch (step.op) {
      case 'queue': {
        const { durable, exclusive, autoDelete } = step
        await ask(on, 'QueueDeclare', { queue, durable, exclusive, autoDelete, arguments: named(step.args) })
        break
      }
      case 'exchange': {
        const { type, durable, autoDelete, internal } = step
        const args = { type, durable, autoDelete, internal, arguments: named(step.args) }
        await ask(on, 'ExchangeDeclare', { exchange, ...args })
        break
      }
      case 'bind':
      case 'unbind':
        await ask(on, step.op === 'bind' ? 'QueueBind' : 'QueueUnbind', {
          queue,
          exchange,
          routingKey,
          arguments: step.args,
        })
        break
      case 'bindExchange':
      case 'unbindExchange': {
        const ends = { source: name(prefix, step.source), destination: name(prefix, step.destination), routingKey }
        await ask(on, step.op === 'bindExchange' ? 'ExchangeBind' : 'ExchangeUnbind', ends)
        break
      }
      case 'deleteQueue':
        await ask(on, 'QueueDelete', { queue, ifUnused: step.ifUnused, ifEmpty: step.ifEmpty })
        break
      case 'deleteExchange':
        await ask(on, 'ExchangeDelete', { exchange, ifUnused: step.ifUnused })
        break
      case 'purge':
        await ask(on, 'QueuePurge', { queue })
        break
      case 'check':
        await ask(on, 'QueueDeclare', { queue, passive: true })
        break
      case 'publish':
        publish(on, channel, step)
        break
      case 'get':
        channel.getsNoAck = step.noAck
        await ask(on, 'BasicGet', { queue, noAck: step.noAck })
        break
      case 'qos':
        await ask(on, 'BasicQos', { prefetchCount: step.count })
        break
      case 'consume': {
        const { noAck, exclusive } = step
        const running = channel.noAck.has(step.tag)
        if (noAck) channel.noAck.add(step.tag)
        else if (running) channel.noAck.delete(step.tag)
        await ask(on, 'BasicConsume', { queue, consumerTag: step.tag, noAck, exclusive, arguments: step.args })
        break
      }
      case 'cancel':
        await ask(on, 'BasicCancel', { consumerTag: step.tag })
        break
      case 'settle': {
        const { multiple, requeue } = step
        const deliveryTag = tag as number
        if (step.how === 'ack') tell('BasicAck', { deliveryTag, multiple })
        else if (step.how === 'nack') tell('BasicNack', { deliveryTag, multiple, requeue })
        else tell('BasicReject', { deliveryTag, requeue })
        const settled = multiple && step.how !== 'reject'
        channel.outstanding = channel.outstanding.filter((o) => (settled ? o.tag > deliveryTag : o.tag !== deliveryTag))
        break
      }
      case 'badAck':
        tell('BasicAck', { deliveryTag: 1_000_000 })
        break
      case 'recover':
        channel.outstanding = []
        await ask(on, 'BasicRecover', { requeue: true })
        break
      case 'confirm':
        await ask(on, 'ConfirmSelect')
        channel.confirms = true
        break
      case 'closeChannel':
        await ask(on, 'ChannelClose', { replyCode: 200, replyText: '', classId: 0, methodId: 0 })
        channels[on] = newChannel()
        break
      case 'cut':
        wireOf(on).cut()
        await wireOf(on).arrival(({ name: what }) => what === 'SocketClose')
        break
      case 'expire':
        break
    }
    absorb(connectionOf(on))
    if (!wireOf(on).closed && channelOf(on).open) await sync(on)
  }

  function named(args: Record<string, unknown>): Fields {
    const addresses = ['x-dead-letter-exchange', 'x-dead-letter-routing-key', 'alternate-exchange']
    const entries = Object.entries(args)
    return Object.fromEntries(
      entries.map(([key, value]) =>
        addresses.includes(key) && typeof value === 'string' ? [key, name(prefix, value)] : [key, value],
      ),
    )
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

    async drain(queues) {
      await Promise.all([(wires[0] as Wire).close(), (wires[1] as Wire).close()])
      absorb(0)
      absorb(1)
      const look = wires[2] as Wire
      for (const queue of queues) {
        await look.request('ChannelOpen', 1)
        let got: Arrival
        do {
          got = await look.request('BasicGet', 1, { queue: name(prefix, queue), noAck: true })
          const { deliveryTag: _, ...fields } = got.fields
          const { properties, body } = got
          note(
            `left in ${queue}`,
            `${got.name} ${normalise(prefix, { ...fields, properties, body: body?.toString() })}`,
          )
        } while (got.name === 'BasicGetOk')
        if (got.name === 'BasicGetEmpty')
          await look.request('ChannelClose', 1, { replyCode: 200, replyText: '', classId: 0, methodId: 0 })
      }
    },

    async close(queues, exchanges) {
      const look = wires[2] as Wire
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
