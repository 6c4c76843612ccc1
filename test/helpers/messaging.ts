import { randomUUID } from 'node:crypto'
import { type Channel, connect } from 'amqplib'
import { z } from 'zod'
import type { DeadLetters } from '../../supervisor/base/dead-letters.ts'
import { defineFanout, defineQueue } from '../../supervisor/base/definitions.ts'
import { type Logger, loggerOn } from '../../supervisor/base/log.ts'
import type { Incoming } from '../../supervisor/base/message.ts'
import { type Client, openClient } from '../../supervisor/messaging/client.ts'
import { type Consumer, openConsumer } from '../../supervisor/messaging/consumer.ts'
import { openDeadLetters } from '../../supervisor/messaging/dead-letters.ts'
import type { SessionState } from '../../supervisor/messaging/session.ts'
import { type Collector, collect } from './collect.ts'
import type { Teardown } from './tmp.ts'

/** A name that no other test uses. */
export const unique = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`

export const number = z.object({ n: z.int() })
export const aQueue = (name = 'queue') =>
  defineQueue(unique(name), { data: number, result: z.object({ sum: z.int() }) })
export const aFanout = (name = 'fanout') => defineFanout(unique(name), { data: number })

/** The number in a message's body. */
export const numberOf = (incoming: Incoming): number => JSON.parse(incoming.body.toString()).n

export interface TestLog {
  log: Logger
  lines: Collector<{ level: string; msg: string; [key: string]: unknown }>
}

/** A logger whose lines a test can read. */
export function testLog(): TestLog {
  const lines: TestLog['lines'] = collect('log lines')
  const log = loggerOn({ write: (line: string) => lines.push(JSON.parse(line)) }, { level: 'debug' })
  return { log, lines }
}

export interface TestConsumer extends Consumer {
  readonly received: Collector<Incoming>
  readonly states: Collector<SessionState>
  /** Resolves when it is consuming, for the first time or again. */
  ready(): Promise<void>
}

export interface Bench {
  readonly lines: TestLog['lines']
  client(options?: { wait?: boolean; url?: string; project?: string }): Promise<Client>
  consumer(
    options: Parameters<typeof consumerOf>[0] & {
      onMessage?: (incoming: Incoming) => void
      onUnusable?: (error: Error) => void
      url?: string
      wait?: boolean
      project?: string
    },
  ): Promise<TestConsumer>
  /** The dead letters of workers, each as `[name, address, subscription]`. */
  deadLetters(
    ...workers: [string, ReturnType<typeof aQueue> | ReturnType<typeof aFanout>, ('group' | 'instance')?][]
  ): Promise<DeadLetters>
  /** Another client's channel, to see and do what Warren's API does not offer. */
  channel(): Promise<Channel>
}

/** Clients and consumers of one broker that close themselves at the test's end. */
export function bench(t: Teardown, url: string): Bench {
  const { log, lines } = testLog()
  const closing: (() => Promise<unknown>)[] = []
  t.teardown(async () => {
    for (const close of closing.reverse()) await close()
  })

  const made: Bench = {
    lines,

    async client({ wait = true, url: other = url, project } = {}) {
      const client = openClient({ urls: other.split(','), name: 'test', log, ...(project && { project }) })
      closing.push(() => client.close(AbortSignal.timeout(1000)))
      if (wait) await clientReady(client)
      return client
    },

    async consumer({ onMessage, onUnusable, url: other = url, wait = true, project, ...options }) {
      const received = collect<Incoming>('messages')
      const states = collect<SessionState>('states')
      let told = () => {}
      const consumer = openConsumer({
        ...consumerOf(options),
        urls: other.split(','),
        log,
        ...(project && { project }),
        ...(onUnusable && { onUnusable }),
        onState(state) {
          states.push(state)
          told()
        },
        onMessage(incoming) {
          received.push(incoming)
          onMessage?.(incoming)
        },
      })
      closing.push(() => consumer.close())
      async function ready(): Promise<void> {
        while (consumer.state.status !== 'ready') await new Promise<void>((resolve) => (told = resolve))
      }
      if (wait) await ready()
      return Object.assign(consumer, { received, states, ready }) as TestConsumer
    },

    async deadLetters(...workers) {
      const places = workers.map(([name, address, subscription = 'group']) => ({ name, address, subscription }))
      const { redrive } = await made.client()
      return openDeadLetters({ urls: [url], name: 'test', workers: async () => places, redrive })
    },

    async channel() {
      const connection = await connect(url)
      connection.on('error', () => {})
      closing.push(() => connection.close().catch(() => {}))
      const channel = await connection.createConfirmChannel()
      channel.on('error', () => {})
      return channel
    },
  }
  return made
}

function consumerOf(options: {
  address: ReturnType<typeof aQueue> | ReturnType<typeof aFanout>
  worker?: string
  subscription?: 'group' | 'instance'
  concurrency?: number
  timeout?: number
}) {
  const { address, worker = 'worker', subscription = 'group', concurrency = 10, timeout = 60_000 } = options
  return { worker, definition: { address, subscription, concurrency, timeout } }
}

/** Resolves when a client can send. */
export async function clientReady(client: Client): Promise<void> {
  while (client.state.status !== 'ready') await new Promise<void>((resolve) => client.onState(() => resolve()))
}
