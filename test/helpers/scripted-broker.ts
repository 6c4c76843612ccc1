import { createServer, type Socket } from 'node:net'
import { readFrames } from '../../supervisor/amqp/frames.ts'
import { decodeMethod, encodeMethod, type Method, type OutgoingMethod } from '../../supervisor/amqp/methods.ts'
import type { Teardown } from './tmp.ts'

/** An answer that has just been written. */
export interface Answered {
  /** Of all answers of the broker, this one; counted from 1. */
  readonly number: number
  readonly method: string
  readonly channel: number
  /** Writes to the same connection, later. */
  write(bytes: Buffer): void
}

export interface ScriptedBroker {
  readonly url: string
  /** How many answers there have been. */
  readonly answers: number
  /** How many connections there have been. */
  readonly connections: number
  /** The names of the methods that have come, in order. */
  readonly asked: readonly string[]
  /** A method that is not answered. */
  unanswered: string | undefined
  /** What goes out in one piece with an answer, right behind it; undefined: nothing. */
  behind: ((answered: Answered) => Buffer | undefined) | undefined
}

/** What a method is answered with; what is missing here is not answered. */
const ANSWERS: Record<string, (asked: Method) => OutgoingMethod> = {
  'connection.start-ok': () => ({ name: 'connection.tune', channelMax: 100, frameMax: 131_072, heartbeat: 60 }),
  'connection.open': () => ({ name: 'connection.open-ok' }),
  'connection.close': () => ({ name: 'connection.close-ok' }),
  'channel.open': () => ({ name: 'channel.open-ok' }),
  'channel.close': () => ({ name: 'channel.close-ok' }),
  'confirm.select': () => ({ name: 'confirm.select-ok' }),
  'basic.qos': () => ({ name: 'basic.qos-ok' }),
  'basic.consume': () => ({ name: 'basic.consume-ok', consumerTag: 'tag' }),
  'basic.cancel': () => ({ name: 'basic.cancel-ok', consumerTag: 'tag' }),
  'queue.declare': (asked) => ({ name: 'queue.declare-ok', queue: (asked as { queue?: string }).queue || 'made-up' }),
  'queue.bind': () => ({ name: 'queue.bind-ok' }),
  'exchange.declare': () => ({ name: 'exchange.declare-ok' }),
  'exchange.bind': () => ({ name: 'exchange.bind-ok' }),
}

/** A broker that says yes to everything, and then whatever a test has it say; closed with the test. */
export async function startScriptedBroker(t: Teardown): Promise<ScriptedBroker> {
  const sockets = new Set<Socket>()
  let [answers, connections] = [0, 0]
  const broker = {
    url: '',
    behind: undefined as ScriptedBroker['behind'],
    asked: [] as string[],
    unanswered: undefined as string | undefined,
    get answers() {
      return answers
    },
    get connections() {
      return connections
    },
  }

  const server = createServer({ noDelay: true }, (socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    let greeting = 8
    const reader = readFrames(0, (type, channel, payload) => {
      if (type !== 1) return
      const asked = decodeMethod(payload)
      broker.asked.push(asked.name)
      const answer = ANSWERS[asked.name]?.(asked)
      if (!answer || asked.name === broker.unanswered) return
      const method = answer.name
      const behind = broker.behind?.({ number: ++answers, method, channel, write: (bytes) => socket.write(bytes) })
      const bytes = encodeMethod(channel, answer)
      socket.write(behind ? Buffer.concat([bytes, behind]) : bytes)
    })
    socket.on('data', (chunk) => {
      if (greeting > 0) socket.write(encodeMethod(0, START))
      const rest = chunk.subarray(greeting)
      greeting = 0
      if (rest.length > 0) reader.push(rest)
    })
  })
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  broker.url = `amqp://127.0.0.1:${port}`
  return broker
}

const START: OutgoingMethod = {
  name: 'connection.start',
  versionMajor: 0,
  versionMinor: 9,
  serverProperties: { product: 'scripted', version: '0' },
  mechanisms: 'PLAIN',
  locales: 'en_US',
}
