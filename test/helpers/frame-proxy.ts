import { connect, createServer, type Socket } from 'node:net'
import { FRAME_END, FRAME_METHOD } from '../../supervisor/amqp/frames.ts'
import { readFrames } from '../../supervisor/amqp/read-frames.ts'
import { createStrictReader, type SentMessage } from './strict-frames.ts'
import type { Teardown } from './tmp.ts'

/** A frame that goes by, as far as a message's fate depends on it: from the broker (deliver, confirm) or to it. */
export type Passing = 'deliver' | 'publish' | 'confirm' | 'ack' | 'other'

export interface FrameProxy {
  readonly port: number
  /**
   * Called for each frame until it says where its connection is to be cut: before the frame, or after it.
   * Undefined: nothing is cut.
   */
  onFrame: ((frame: Passing) => 'before' | 'after' | undefined) | undefined
  /** Gets each message that a client has sent to the broker. */
  onMessage: ((message: SentMessage) => void) | undefined
  /** Lets nothing more through to the broker until `release`; what comes from it still arrives. */
  hold(): void
  release(): void
  /** What clients have sent that is no AMQP 0-9-1, in words; each has ended its connection. */
  readonly violations: readonly string[]
}

const BASIC = 60
const PUBLISH = 40
const DELIVER = 60
const ACK = 80
/** `AMQP` and a version: what a client sends before its first frame. */
const GREETING = 8

/**
 * A proxy in front of an AMQP broker that sees frames, and can cut a connection between any two; closed with the test. It
 * reads what clients send by the letter: what a broker may forgive ends the connection here.
 */
export async function startFrameProxy(t: Teardown, targetPort: number): Promise<FrameProxy> {
  const sockets = new Set<Socket>()
  const clients = new Set<Socket>()
  const violations: string[] = []
  const proxy: { -readonly [K in keyof FrameProxy]: FrameProxy[K] } = {
    port: 0,
    onFrame: undefined,
    onMessage: undefined,
    violations,
    hold() {
      for (const client of clients) client.pause()
    },
    release() {
      for (const client of clients) client.resume()
    },
  }

  const server = createServer({ noDelay: true }, (client) => {
    const broker = connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
    let greeting = GREETING
    let isCut = false
    clients.add(client)
    for (const socket of [client, broker]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        clients.delete(client)
        for (const other of [client, broker]) other.destroy()
      })
    }
    const up = forward(broker, (method) => (method === PUBLISH ? 'publish' : method === ACK ? 'ack' : 'other'))
    const down = forward(client, (method) => (method === DELIVER ? 'deliver' : method === ACK ? 'confirm' : 'other'))
    broker.on('data', down)
    const strict = createStrictReader({
      onMessage: (message) => proxy.onMessage?.(message),
      onViolation(what) {
        violations.push(what)
        isCut = true
        client.destroy()
      },
    })
    client.on('data', (chunk) => {
      strict.push(chunk)
      const plain = chunk.subarray(0, greeting)
      greeting -= plain.length
      if (plain.length > 0) broker.write(plain)
      if (chunk.length > plain.length) up(chunk.subarray(plain.length))
    })

    function forward(to: Socket, name: (method: number) => Passing): (chunk: Buffer) => void {
      const reader = readFrames(0, (type, channel, payload) => {
        if (isCut) return
        const isBasic = type === FRAME_METHOD && payload.readUInt16BE(0) === BASIC
        const where = proxy.onFrame?.(isBasic ? name(payload.readUInt16BE(2)) : 'other')
        if (where !== 'before') to.write(frameOf(type, channel, payload))
        if (where === undefined) return
        isCut = true
        // What has been written still goes out.
        to.end(() => to.destroy())
      })
      return (chunk) => {
        if (!isCut) reader.push(chunk)
      }
    }
  })
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  proxy.port = (server.address() as { port: number }).port
  return proxy
}

function frameOf(type: number, channel: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(7)
  head.writeUInt8(type, 0)
  head.writeUInt16BE(channel, 1)
  head.writeUInt32BE(payload.length, 3)
  return Buffer.concat([head, payload, Buffer.from([FRAME_END])])
}
