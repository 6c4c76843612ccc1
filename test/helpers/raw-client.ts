import { connect } from 'node:net'
import { encodeBodyStart, encodeHeader, FRAME_END } from '../../supervisor/amqp/frames.ts'
import { encodeMethod, METHOD_IDS, type MethodName, type OutgoingMethod } from '../../supervisor/amqp/methods.ts'
import { readFrames } from '../../supervisor/amqp/read-frames.ts'

/** A method that the broker sent, as bytes, with its content if it has one. */
export interface RawArrival {
  readonly channel: number
  readonly name: MethodName
  /** What follows the method's ids. */
  readonly args: Buffer
  properties: Buffer
  body: Buffer
}

/** A message's parts as bytes. */
export interface RawMessage {
  readonly exchange?: string | Buffer
  readonly routingKey: string | Buffer
  readonly properties?: Buffer
  readonly body?: Buffer
  readonly mandatory?: boolean
}

/** A client that sends and shows bytes as they are, on channel 1 unless told otherwise. */
export interface RawClient {
  /** What came and was not taken yet, in order. */
  readonly arrivals: RawArrival[]
  /** Whether the connection is gone. */
  readonly isClosed: boolean
  raw(bytes: Buffer): void
  send(method: OutgoingMethod, channel?: number): void
  publish(message: RawMessage, channel?: number): void
  /** The next arrival of the name, which is taken out. @throws Error if the connection or the channel ends before */
  next(name: MethodName): Promise<RawArrival>
  /** Sends a method and takes its answer. */
  request(method: OutgoingMethod, answer?: MethodName): Promise<RawArrival>
  /** Gets and acknowledges the head of a queue. */
  get(queue: string): Promise<RawArrival | undefined>
  /** Cuts the connection. */
  end(): void
}

const names = new Map(
  Object.entries(METHOD_IDS).map(([name, [classId, id]]) => [classId * 0x10000 + id, name as MethodName]),
)
const FULL = /^basic\.(deliver|return|get-ok)$/

/** Connects, and opens channel 1 in confirm mode. */
export async function connectRaw(url: string): Promise<RawClient> {
  const { hostname, port, username, password } = new URL(url)
  const arrivals: RawArrival[] = []
  const sizes = new Map<RawArrival, number>()
  const waiting = new Set<() => void>()
  let isClosed = false
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
    for (const look of waiting) look()
  })

  const reader = readFrames(0, (type, channel, payload) => {
    const open = arrivals.findLast((one) => one.channel === channel)
    if (type === 1) {
      const name = names.get(payload.readUInt32BE(0)) as MethodName
      const none = Buffer.alloc(0)
      const arrival = { channel, name, args: Buffer.from(payload.subarray(4)), properties: none, body: none }
      arrivals.push(arrival)
      if (FULL.test(name)) sizes.set(arrival, Number.POSITIVE_INFINITY)
    } else if (type === 2 && open) {
      open.properties = Buffer.from(payload.subarray(12))
      sizes.set(open, Number(payload.readBigUInt64BE(4)))
    } else if (type === 3 && open) open.body = Buffer.concat([open.body, payload])
  })
  socket.on('data', (chunk) => {
    reader.push(chunk)
    for (const look of waiting) look()
  })

  const isWhole = (one: RawArrival) => one.body.length === (sizes.get(one) ?? 0)

  /** Takes the first arrival out that has one of the names. */
  function take(...names: MethodName[]): Promise<RawArrival> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(new Error(`Waited 30 s for ${names}`))), 30_000)
      waiting.add(look)
      look()

      function settle(how: () => void): void {
        clearTimeout(timer)
        waiting.delete(look)
        how()
      }

      function look(): void {
        const found = arrivals.findIndex((one) => names.includes(one.name) && isWhole(one))
        const close = arrivals.find(({ name }) => name === 'channel.close' || name === 'connection.close')
        if (found >= 0) settle(() => resolve(arrivals.splice(found, 1)[0] as RawArrival))
        else if (close || isClosed)
          settle(() => reject(new Error(`Waited for ${names}; the broker said ${described(close)}`)))
      }
    })
  }

  const client: RawClient = {
    arrivals,
    get isClosed() {
      return isClosed
    },
    raw: (bytes) => void socket.write(bytes),
    send: (method, channel = 1) => void socket.write(encodeMethod(channel, method)),

    publish({ exchange = '', routingKey, properties = NO_PROPERTIES, body = Buffer.alloc(0), mandatory }, channel = 1) {
      const args = [Buffer.alloc(2), shortstr(exchange), shortstr(routingKey), Buffer.of(mandatory ? 1 : 0)]
      socket.write(frame(1, channel, Buffer.concat([Buffer.of(0, 60, 0, 40), ...args])))
      socket.write(encodeHeader(channel, body.length, properties))
      for (let at = 0; at < body.length; at += 100_000) socket.write(frame(3, channel, body.subarray(at, at + 100_000)))
    },

    next: take,

    request(method, answer = `${method.name}-ok` as MethodName) {
      client.send(method)
      return client.next(answer)
    },

    async get(queue) {
      client.send({ name: 'basic.get', queue, noAck: true })
      const arrival = await take('basic.get-ok', 'basic.get-empty')
      return arrival.name === 'basic.get-ok' ? arrival : undefined
    },

    end: () => void socket.destroy(),
  }

  socket.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1'))
  await client.next('connection.start')
  const response = `\0${decodeURIComponent(username)}\0${decodeURIComponent(password)}`
  client.send({ name: 'connection.start-ok', mechanism: 'PLAIN', response, locale: 'en_US' }, 0)
  await client.next('connection.tune')
  client.send({ name: 'connection.tune-ok', channelMax: 2047, frameMax: 131_072, heartbeat: 0 }, 0)
  client.send({ name: 'connection.open', virtualHost: '/' }, 0)
  await client.next('connection.open-ok')
  await client.request({ name: 'channel.open' })
  await client.request({ name: 'confirm.select' })
  return client
}

const NO_PROPERTIES = Buffer.of(0, 0)

export function frame(type: number, channel: number, payload: Buffer): Buffer {
  const start = encodeBodyStart(channel, payload.length)
  start[0] = type
  return Buffer.concat([start, payload, Buffer.of(FRAME_END)])
}

export function shortstr(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string)
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

/** The short string at `at`, as bytes. */
export function shortstrAt(bytes: Buffer, at: number): Buffer {
  return bytes.subarray(at + 1, at + 1 + (bytes[at] as number))
}

function described(close: RawArrival | undefined): string {
  return close ? `${close.name}: ${close.args.readUInt16BE(0)} ${shortstrAt(close.args, 2)}` : 'nothing, and ended'
}
