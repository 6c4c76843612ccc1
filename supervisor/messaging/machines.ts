import { randomUUID } from 'node:crypto'
import { reasonOf } from '../base/errors.ts'
import type { MachineView } from '../base/fleet.ts'
import type { Logger } from '../base/log.ts'
import type { Depth, Heartbeat, WorkerLoad } from '../base/machines.ts'
import { type AskDepth, createDepths } from './depths.ts'
import type { Link } from './link.ts'
import type { Delivered, LinkChannel } from './link-channel.ts'
import { openSession, type SessionState } from './session.ts'

/** The exchange by which the autoscalers hear of each other, and are asked. */
export const AUTOSCALERS = 'warren.autoscalers'

/** Milliseconds between two heartbeats. */
const HEARTBEAT = 1_000
/** Milliseconds without one until a machine counts as gone. */
const GONE = 5_000
/** The same after an outage of this machine's own: the others may have had it too, and be up to 5 s from another try. */
const BACK = 8_000
/**
 * Milliseconds without this machine's own heartbeat, which comes back from the broker as the others' come, until it is
 * the one that hears nothing. Short enough that the others do not count as gone before.
 */
const DEAF = 3_000
/** Milliseconds until it is known who is there: everybody's next heartbeat is due within it. */
const GREETING = HEARTBEAT + 500

/** What a message of the exchange is, as its `type`. */
const TYPES = { heartbeat: 'heartbeat', hello: 'hello', bye: 'bye', ask: 'ask' } as const

export interface MachinesOptions {
  urls: readonly string[]
  /** The process's name, shown in logs and in the broker's list of connections. */
  name: string
  /** The project that the broker's virtual host belongs to. */
  project?: string
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
export function openMachines({ urls, name, project, log, heartbeat, view, onState }: MachinesOptions): Machines {
  const { id: own } = heartbeat()
  /** Tells this process from another that goes by the same id. */
  const appId = randomUUID()
  const others = new Map<string, { at: number; last: Heartbeat }>()
  let current: { channel: LinkChannel; depth: AskDepth } | undefined
  /** When this machine last heard itself, and since when it has without a gap. */
  let heard = Number.NEGATIVE_INFINITY
  let since = heard
  let isDoubled = false
  let answering: Promise<Buffer> | undefined
  const session = openSession({ urls, name, project, log, setup, onState: changed })
  const beating = setInterval(() => tell(TYPES.heartbeat), HEARTBEAT)

  async function setup(link: Link): Promise<void> {
    const channel = await link.channel()
    await channel.assertExchange(AUTOSCALERS, 'fanout', { durable: true })
    // What nobody reads in time is out of date.
    const kind = { exclusive: true, autoDelete: true, durable: false, messageTtl: GONE }
    const { queue } = await channel.assertQueue('', kind)
    await channel.bindQueue(queue, AUTOSCALERS, '')
    await channel.consume(queue, (message) => message && receive(message), { noAck: true })
    heard = Number.NEGATIVE_INFINITY
    current = { channel, depth: createDepths(link) }
    link.lost.addEventListener('abort', () => {
      current = undefined
    })
  }

  // For the first time, after an outage, and after the broker took no messages for a while.
  function changed(state: SessionState): void {
    if (state.status === 'ready') tell(TYPES.hello)
    onState?.(state)
  }

  function tell(type: string): void {
    if (!current || session.state.status === 'blocked') return
    try {
      current.channel.publish(AUTOSCALERS, '', write(heartbeat()), { type, appId })
    } catch {
      // The channel has just gone; the session is about to be told.
    }
  }

  function receive({ content, properties }: Delivered): void {
    const { type, replyTo, appId: sender } = properties
    if (type === TYPES.ask) void answer(replyTo)
    else if (sender === appId) hearSelf()
    else if (isType(type)) hearOther(type, parse(content))
  }

  function hearOther(type: string, last: Heartbeat | undefined): void {
    if (!last) return
    if (last.id === own) {
      hearTwin()
      return
    }
    const isNew = !others.has(last.id)
    if (type === TYPES.bye) others.delete(last.id)
    else others.set(last.id, { at: performance.now(), last })
    if (type === TYPES.hello) tell(TYPES.heartbeat)
    if (isNew !== (type === TYPES.bye)) log.info({ machine: last.id }, isNew ? 'another machine' : 'a machine has left')
  }

  function hearSelf(): void {
    const now = performance.now()
    if (now - heard > DEAF) since = now
    heard = now
  }

  function hearTwin(): void {
    if (isDoubled) return
    isDoubled = true
    const twins = 'two autoscalers go by the same name, so that neither counts the other: give one machine another'
    log.error({ machine: own }, `${twins} hostname, PM2_HOME or folder`)
  }

  async function answer(replyTo: unknown): Promise<void> {
    if (typeof replyTo !== 'string') return
    try {
      // Many may ask at once; pm2 takes a while to say what it runs.
      answering ??= look()
      const body = await answering
      current?.channel.publish('', replyTo, body)
    } catch (error) {
      log.warn({ reason: reasonOf(error) }, 'what runs could not be told to whoever asked')
    }
  }

  async function look(): Promise<Buffer> {
    try {
      return Buffer.from(JSON.stringify(await view()))
    } finally {
      answering = undefined
    }
  }

  function known(): readonly Heartbeat[] | undefined {
    const now = performance.now()
    // Whoever does not even hear itself knows nothing of the others: its connection hangs, or this process did.
    const isDeaf = now - heard > DEAF
    if (!current || session.state.status !== 'ready' || isDeaf || now - since < GREETING) return undefined
    for (const [id, { at }] of others) {
      if (now < Math.max(at + GONE, since + BACK)) continue
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
      // Whoever says hello meanwhile gets no answer.
      current = undefined
      await session.close()
    },
  }
}

function isType(type: unknown): type is string {
  return Object.values<unknown>(TYPES).includes(type)
}

function write({ workers, ...machine }: Heartbeat): Buffer {
  return Buffer.from(JSON.stringify({ ...machine, workers: Object.fromEntries(workers) }))
}

// The exchange is open to every client of the broker.
function parse(content: Buffer): Heartbeat | undefined {
  try {
    const { id, host, workers } = JSON.parse(content.toString()) as { id: unknown; host: unknown; workers: object }
    if (typeof id !== 'string' || typeof host !== 'string' || typeof workers !== 'object') return undefined
    const loads = Object.entries<WorkerLoad>(workers as Record<string, WorkerLoad>)
    return loads.every(([, load]) => isLoad(load)) ? { id, host, workers: new Map(loads) } : undefined
  } catch {
    return undefined
  }
}

function isLoad({ instances, inProgress }: WorkerLoad): boolean {
  const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0
  return isCount(instances) && (inProgress === null || isCount(inProgress))
}
