import { connect, type Socket } from 'node:net'
import { readFrames } from '../../../supervisor/amqp/read-frames.ts'
import { SPEC } from '../../../supervisor/amqp/spec.ts'
import { GREETING, type MethodName, method } from './bytes.ts'
import { readSent } from './read-sent.ts'

/** A message as it came from the broker. */
export interface Delivery {
  readonly channel: number
  readonly how: 'basic.deliver' | 'basic.get-ok' | 'basic.return'
  /** 0 for a return. */
  readonly tag: bigint
  readonly exchange: Buffer
  readonly routingKey: Buffer
  readonly properties: Buffer
  readonly body: Buffer
}

/** A connection that sends what it is given, and reads what comes by the letter. */
export interface Client {
  readonly isOpen: boolean
  send(...frames: readonly Buffer[]): void
  /** Whole frames that were sent. A damaged one may have swallowed those behind it. */
  readonly framesSent: number
  /** Lets what comes wait, or reads on. */
  pause(): void
  resume(): void
  /** Ends the TCP connection without a word. */
  cut(): void
  /** Resolves with the next method of a name on a channel, or with undefined when the connection ends first. */
  next(channel: number, name: MethodName): Promise<Buffer | undefined>
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>
}

export interface ClientEvents {
  onDelivery?(delivery: Delivery): void
  /** Any other method. */
  onMethod?(channel: number, name: MethodName, payload: Buffer): void
  /** A message that was sent as a whole, as far as the connection takes it at all. */
  onSent?(exchange: Buffer, routingKey: Buffer, properties: Buffer, body: Buffer): void
  /** Something that no broker may send. */
  onFault(what: string): void
}

export interface Account {
  readonly port: number
  readonly user: string
  readonly password: string
}

const FRAME_MAX = 131_072
const names = new Map<number, MethodName>()
for (const [name, [classId, methodId]] of Object.entries(SPEC))
  names.set(classId * 65_536 + methodId, name as MethodName)

type Content = { -readonly [K in keyof Delivery]: Delivery[K] } & { size: number; parts: Buffer[]; received: number }

/** The bytes of a client that logs in, up to an open connection. */
export function login({ user, password }: Account, frameMax = FRAME_MAX): Buffer[] {
  const capability = (name: string) => ({ name: Buffer.from(name), tag: 't', value: Buffer.from([1]) })
  const capabilities = ['connection.blocked', 'consumer_cancel_notify', 'authentication_failure_close'].map(capability)
  const inner = method(0, 'connection.start-ok', { clientProperties: capabilities }).subarray(11)
  const length = inner.readUInt32BE(0) + 4
  const nested = { name: Buffer.from('capabilities'), tag: 'F', value: inner.subarray(0, length) }
  const start = { clientProperties: [nested], mechanism: 'PLAIN', response: `\0${user}\0${password}`, locale: 'en_US' }
  return [
    GREETING,
    method(0, 'connection.start-ok', start),
    method(0, 'connection.tune-ok', { channelMax: 2047, frameMax, heartbeat: 0 }),
    method(0, 'connection.open', { virtualHost: '/' }),
  ]
}

/** Connects and logs in; the caller need not wait before it sends. */
export function openClient(account: Account, events: ClientEvents): Client {
  const contents = new Map<number, Content>()
  const waiting = new Map<string, ((payload: Buffer | undefined) => void)[]>()
  let isOpen = true
  const socket: Socket = connect(account.port, '127.0.0.1')
  socket.setNoDelay(true)
  const frames = readFrames(FRAME_MAX, (type, channel, payload) => {
    const fault = onFrame(type, channel, payload)
    if (fault) events.onFault(fault)
  })
  const outgoing = readSent(({ exchange, routingKey, properties, body }) => {
    events.onSent?.(exchange, routingKey, properties, body)
  })

  /** @returns what no broker may send, if it is that */
  function onFrame(type: number, channel: number, payload: Buffer): string | undefined {
    if (type === 8) return undefined
    const content = contents.get(channel)
    if (type === 1) return content ? `a method within a message on channel ${channel}` : onMethod(channel, payload)
    if (!content) return `a frame of type ${type} on channel ${channel} without a message`
    if (type === 2) {
      if (content.size >= 0) return `a second content header on channel ${channel}`
      content.size = Number(payload.readBigUInt64BE(4))
      content.properties = Buffer.from(payload.subarray(12))
    } else {
      content.parts.push(Buffer.from(payload))
      content.received += payload.length
    }
    if (content.received > content.size) return `${content.received} bytes of a body of ${content.size}`
    if (content.received < content.size) return undefined
    contents.delete(channel)
    const { size, parts, received, ...delivery } = content
    events.onDelivery?.({ ...delivery, body: Buffer.concat(parts) })
    return undefined
  }

  function onMethod(channel: number, payload: Buffer): string | undefined {
    const name = names.get(payload.readUInt32BE(0))
    if (!name) return `an unknown method ${payload.readUInt32BE(0)}`
    if (name === 'basic.deliver' || name === 'basic.get-ok' || name === 'basic.return') {
      contents.set(channel, { channel, how: name, ...placesOf(name, payload), ...EMPTY, parts: [] })
      return undefined
    }
    if (name === 'channel.close') socket.write(method(channel, 'channel.close-ok'))
    if (name === 'connection.close') socket.end(method(0, 'connection.close-ok'))
    const [first, ...others] = waiting.get(`${channel} ${name}`) ?? []
    if (first) {
      waiting.set(`${channel} ${name}`, others)
      first(Buffer.from(payload))
    }
    events.onMethod?.(channel, name, payload)
    return undefined
  }

  socket.on('data', (chunk) => {
    try {
      frames.push(chunk)
    } catch (error) {
      // A greeting is the answer to one that was wrong.
      if (!chunk.subarray(0, 4).equals(GREETING.subarray(0, 4))) events.onFault(`${error}`)
    }
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      isOpen = false
      for (const resolvers of waiting.values()) for (const settle of resolvers) settle(undefined)
      resolve()
    })
  })
  socket.write(Buffer.concat(login(account)))

  return {
    closed,
    get isOpen() {
      return isOpen
    },
    get framesSent() {
      return outgoing.frames
    },
    send(...parts) {
      if (!isOpen || !socket.writable) return
      const bytes = Buffer.concat(parts)
      if (events.onSent) outgoing.push(bytes)
      socket.write(bytes)
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    cut: () => void socket.destroy(),
    next(channel, name) {
      if (!isOpen) return Promise.resolve(undefined)
      return new Promise((resolve) => {
        const key = `${channel} ${name}`
        waiting.set(key, [...(waiting.get(key) ?? []), resolve])
      })
    },
  }
}

const EMPTY = { properties: Buffer.alloc(0), body: Buffer.alloc(0), size: -1, received: 0 }

function placesOf(name: Delivery['how'], payload: Buffer): Pick<Delivery, 'tag' | 'exchange' | 'routingKey'> {
  let at = 4
  let tag = 0n
  const short = () => {
    const length = payload.readUInt8(at)
    const bytes = Buffer.from(payload.subarray(at + 1, at + 1 + length))
    at += 1 + length
    return bytes
  }
  if (name === 'basic.return') {
    at += 2
    short()
  } else {
    if (name === 'basic.deliver') short()
    tag = payload.readBigUInt64BE(at)
    at += 9
  }
  return { tag, exchange: short(), routingKey: short() }
}
