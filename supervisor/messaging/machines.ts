import type { Channel, ConsumeMessage } from 'amqplib'
import type { MachineView } from '../base/fleet.ts'
import type { Logger } from '../base/log.ts'
import type { Depth, Heartbeat } from '../base/machines.ts'
import { createDepths } from './depths.ts'
import type { Link } from './link.ts'
import { openSession, type SessionState } from './session.ts'

/** The exchange by which the autoscalers hear of each other, and are asked. */
export const AUTOSCALERS = 'warren.autoscalers'

/** Milliseconds between two heartbeats. */
const HEARTBEAT = 1_000
/** Milliseconds without one until a machine counts as gone. */
const GONE = 5_000
/** Milliseconds for the others to answer the first heartbeat. */
const GREETING = 500

/** What a message of the exchange is, as its `type`. */
const TYPES = { heartbeat: 'heartbeat', hello: 'hello', bye: 'bye', ask: 'ask' } as const

export interface MachinesOptions {
  urls: readonly string[]
  /** The process's name, shown in logs and in the broker's list of connections. */
  name: string
  log: Logger
  /** This machine, as the others shall see it. */
  heartbeat: () => Heartbeat
  /** What whoever asks gets to see. */
  view: () => Promise<MachineView>
  onState?: (state: SessionState) => void
}

/** This machine among all that run the project against one broker. */
export interface Machines {
  readonly state: SessionState
  /** The others that are there; undefined while that is not known. */
  readonly others: readonly Heartbeat[] | undefined
  /** What a queue holds; undefined while that is not known. */
  depth(queue: string): Promise<Depth | undefined>
  /** Takes leave of the others, and closes. */
  close(): Promise<void>
}

/** Connects in the background, and for as long as it takes. */
export function openMachines({ urls, name, log, heartbeat, view, onState }: MachinesOptions): Machines {
  const others = new Map<string, { at: number; last: Heartbeat }>()
  let current: { channel: Channel; depth: ReturnType<typeof createDepths>; since: number } | undefined
  const session = openSession({ urls, name, log, setup, ...(onState && { onState }) })
  const beating = setInterval(() => tell(TYPES.heartbeat), HEARTBEAT)

  async function setup(link: Link): Promise<void> {
    const channel = await link.channel()
    await channel.assertExchange(AUTOSCALERS, 'fanout', { durable: true })
    // What nobody reads in time is out of date.
    const kind = { exclusive: true, autoDelete: true, durable: false, messageTtl: GONE }
    const { queue } = await channel.assertQueue('', kind)
    await channel.bindQueue(queue, AUTOSCALERS, '')
    await channel.consume(queue, (message) => message && receive(message), { noAck: true })
    current = { channel, depth: createDepths(link), since: Date.now() }
    link.lost.addEventListener('abort', () => {
      current = undefined
    })
    tell(TYPES.hello)
  }

  function tell(type: string): void {
    if (!current || session.state.status === 'blocked') return
    current.channel.publish(AUTOSCALERS, '', Buffer.from(JSON.stringify(heartbeat())), { type })
  }

  function receive({ content, properties: { type, replyTo } }: ConsumeMessage): void {
    if (type === TYPES.ask) return void answer(replyTo)
    const last = parse(content)
    if (!last || last.id === heartbeat().id) return
    const isNew = !others.has(last.id)
    if (type === TYPES.bye) others.delete(last.id)
    else others.set(last.id, { at: Date.now(), last })
    if (type === TYPES.hello) tell(TYPES.heartbeat)
    if (isNew !== (type === TYPES.bye)) log.info({ machine: last.id }, isNew ? 'another machine' : 'a machine has left')
  }

  async function answer(replyTo: unknown): Promise<void> {
    const body = Buffer.from(JSON.stringify(await view()))
    if (typeof replyTo === 'string') current?.channel.publish('', replyTo, body)
  }

  function known(): readonly Heartbeat[] | undefined {
    if (!current || session.state.status !== 'ready' || Date.now() - current.since < GREETING) return undefined
    const now = Date.now()
    for (const [id, { at }] of others) {
      // Right after an outage of this machine's own, the others are where they were.
      if (now - Math.max(at, current.since) < GONE) continue
      others.delete(id)
      log.warn({ machine: id }, 'a machine is silent: its share moves to the others')
    }
    return [...others.values()].map(({ last }) => last)
  }

  return {
    get state() {
      return session.state
    },
    get others() {
      return known()
    },
    async depth(queue) {
      return current?.depth(queue)
    },
    async close() {
      clearInterval(beating)
      tell(TYPES.bye)
      await session.close()
    },
  }
}

// The exchange is open to every client of the broker.
function parse(content: Buffer): Heartbeat | undefined {
  try {
    const { id, host, workers } = JSON.parse(content.toString()) as Heartbeat
    return typeof id === 'string' && typeof workers === 'object' && workers ? { id, host, workers } : undefined
  } catch {
    return undefined
  }
}
