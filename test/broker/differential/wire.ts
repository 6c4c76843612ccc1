import { connect, type Socket } from 'node:net'
import { decodeHeader, decodeMethod, encodeContent, encodeMethod, type Fields, frame } from './amqplib-codec.ts'
import { fromWild, toWild } from './wild-bytes.ts'

/** What the broker sent on a channel, in one piece: a method, with its content if it has one. */
export interface Arrival {
  channel: number
  /** As in amqplib: 'BasicDeliver'. 'SocketClose' when the connection is gone. */
  name: string
  fields: Fields
  properties?: Fields
  body?: Buffer
}

/** A connection that shows everything, and does what well-behaved clients don't. */
export interface Wire {
  /** What the broker sent after the handshake, in order. The reader may take items out. */
  readonly arrivals: Arrival[]
  /** What the broker said of itself, and the limits that it proposed. */
  readonly start: Fields
  readonly tune: Fields
  /** Whether the socket is gone. */
  readonly closed: boolean
  send(name: string, channel?: number, fields?: Fields): void
  publish(channel: number, fields: Fields, properties?: Fields, body?: Buffer): void
  raw(bytes: Buffer): void
  /**
   * Sends a method and resolves with the channel's next arrival of a name that ends in `Ok`, is GetEmpty or a close, or with
   * the connection's close.
   * @throws after 10 seconds without one
   */
  request(name: string, channel?: number, fields?: Fields): Promise<Arrival>
  /** Resolves with the first arrival from index `from` on that the predicate takes. */
  arrival(predicate: (arrival: Arrival) => boolean, from?: number, what?: string): Promise<Arrival>
  /** Closes it in good order. Never rejects. */
  close(): Promise<void>
  /** Ends the TCP connection without a word. */
  cut(): void
  /** Reads nothing any more, until `read`. */
  stopReading(): void
  read(): void
}

export interface WireOptions {
  /** Milliseconds to wait for anything. @default 10 seconds */
  timeout?: number
  mechanism?: string
  response?: string
  vhost?: string
  capabilities?: Fields
  tuneOk?: Fields
}

const ENDS = /Ok$|^BasicGetEmpty$|Close$/

/**
 * Connects and logs in with the URL's credentials.
 * @throws an Error with the close's code and text where the broker refuses
 */
export async function openWire(url: string, options: WireOptions = {}): Promise<Wire> {
  const { hostname, port, username, password, pathname } = new URL(url)
  const { timeout = 10_000, mechanism = 'PLAIN', capabilities = {}, tuneOk = {} } = options
  const { response = `\0${decodeURIComponent(username)}\0${decodeURIComponent(password)}` } = options
  const { vhost = decodeURIComponent(pathname.slice(1)) || '/' } = options

  const arrivals: Arrival[] = []
  const waiting = new Set<() => void>()
  const partial = new Map<number, Arrival & { size: number; parts: Buffer[]; got: number }>()
  let closed = false
  let frameMax = 131_072
  let unread: Buffer = Buffer.alloc(0)
  const socket: Socket = connect({ host: hostname, port: Number(port) })
  socket.setNoDelay(true)

  function arrive(arrival: Arrival): void {
    arrivals.push(arrival)
    if (arrival.name === 'ChannelClose') socket.write(encodeMethod('ChannelCloseOk', arrival.channel, {}))
    if (arrival.name === 'ConnectionClose') socket.write(encodeMethod('ConnectionCloseOk', 0, {}))
    for (const look of waiting) look()
  }

  function take(type: number, channel: number, payload: Buffer): void {
    const open = partial.get(channel)
    if (type === 1) {
      const { name, fields } = decodeMethod(payload)
      if (/^Basic(Deliver|Return|GetOk)$/.test(name)) {
        partial.set(channel, { channel, name, fields, size: -1, parts: [], got: 0 })
      } else {
        arrive({ channel, name, fields })
      }
    } else if (type === 2 && open) {
      Object.assign(open, decodeHeader(payload))
      if (open.size === 0) finish(channel)
    } else if (type === 3 && open) {
      open.parts.push(Buffer.from(payload))
      open.got += payload.length
      if (open.got >= open.size) finish(channel)
    } else if (type !== 8) {
      arrive({ channel, name: `UnexpectedFrame${type}`, fields: {} })
    }
  }

  function finish(channel: number): void {
    const open = partial.get(channel)
    partial.delete(channel)
    if (!open) return
    const { name, fields, properties = {}, parts } = open
    arrive({ channel, name, fields, properties, body: Buffer.concat(parts) })
  }

  socket.on('data', function read(bytes: Buffer) {
    unread = unread.length ? Buffer.concat([unread, bytes]) : bytes
    while (unread.length >= 8) {
      const size = unread.readUInt32BE(3)
      if (unread.subarray(0, 4).toString() === 'AMQP') {
        arrive({ channel: 0, name: 'ProtocolHeader', fields: { header: unread.subarray(0, 8).toString('hex') } })
        unread = unread.subarray(8)
        continue
      }
      if (unread.length < size + 8) return
      const [type, payload] = [unread.readUInt8(0), unread.subarray(7, 7 + size)]
      take(type, unread.readUInt16BE(1), type === 3 ? payload : fromWild(payload))
      unread = unread.subarray(8 + size)
    }
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
    arrive({ channel: 0, name: 'SocketClose', fields: {} })
  })

  const wire: Wire = {
    arrivals,
    start: {},
    tune: {},
    get closed() {
      return closed
    },
    raw: (bytes) => void (closed || socket.write(bytes)),
    send: (name, channel = 0, fields = {}) => wire.raw(toWild(encodeMethod(name, channel, fields))),

    publish(channel, fields, properties = {}, body = Buffer.alloc(0)) {
      const content = encodeContent(channel, properties, body, frameMax)
      wire.raw(toWild(Buffer.concat([encodeMethod('BasicPublish', channel, fields), content])))
    },

    request(name, channel = 0, fields = {}) {
      // Where the socket is gone already, its end is the answer.
      const from = closed ? arrivals.length - 1 : arrivals.length
      wire.send(name, channel, fields)
      return wire.arrival(
        (arrival) =>
          arrival.name === 'SocketClose' ||
          arrival.name === 'ConnectionClose' ||
          (arrival.channel === channel && ENDS.test(arrival.name)),
        from,
        `the answer to ${name}`,
      )
    },

    arrival(predicate, from = 0, what = 'an arrival') {
      return new Promise((resolve, reject) => {
        let next = from
        const timer = setTimeout(() => {
          waiting.delete(look)
          reject(new Error(`Waited ${timeout} ms for ${what}`))
        }, timeout)
        waiting.add(look)
        look()

        function look(): void {
          for (; next < arrivals.length; next++) {
            const arrival = arrivals[next] as Arrival
            if (!predicate(arrival)) continue
            clearTimeout(timer)
            waiting.delete(look)
            resolve(arrival)
            return
          }
        }
      })
    },

    async close() {
      if (closed) return
      try {
        await wire.request('ConnectionClose', 0, { replyCode: 200, replyText: '', classId: 0, methodId: 0 })
      } catch {
        // It says nothing any more.
      }
      wire.cut()
    },
    cut: () => void socket.destroy(),
    stopReading: () => void socket.pause(),
    read: () => void socket.resume(),
  }

  async function expect(name: string, fields?: () => void): Promise<Arrival> {
    fields?.()
    const found = await wire.arrival(({ name: got }) => got === name || /Close$|^ProtocolHeader$/.test(got), 0, name)
    if (found.name === name) return found
    socket.destroy()
    throw Object.assign(
      new Error(`${found.name} ${found.fields.replyCode ?? ''} ${found.fields.replyText ?? ''}`),
      found,
    )
  }

  socket.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1'))
  Object.assign(wire.start, (await expect('ConnectionStart')).fields)
  const clientProperties = { product: 'test', capabilities: { ...CAPABILITIES, ...capabilities } }
  wire.send('ConnectionStartOk', 0, {
    clientProperties,
    mechanism,
    response: Buffer.from(response, 'latin1'),
    locale: 'en_US',
  })
  Object.assign(wire.tune, (await expect('ConnectionTune')).fields)
  const limits = { channelMax: wire.tune.channelMax, frameMax: wire.tune.frameMax, heartbeat: 0, ...tuneOk }
  frameMax = Number(limits.frameMax)
  wire.send('ConnectionTuneOk', 0, limits)
  wire.send('ConnectionOpen', 0, { virtualHost: vhost, capabilities: '', insist: false })
  await expect('ConnectionOpenOk')
  arrivals.length = 0
  return wire
}

const CAPABILITIES: Fields = {
  publisher_confirms: true,
  exchange_exchange_bindings: true,
  'basic.nack': true,
  consumer_cancel_notify: true,
  authentication_failure_close: true,
  'connection.blocked': true,
}

/** A heartbeat's frame. */
export const HEARTBEAT = frame(8, 0, Buffer.alloc(0))
