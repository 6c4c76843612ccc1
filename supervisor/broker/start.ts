import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brokerUrl, isSame, obtainCredentials } from '../base/broker-credentials.ts'
import { reasonOf } from '../base/errors.ts'
import { createAdmission, type Door, defaultAdmission } from './admission.ts'
import { createAlarms, watchMemory } from './alarms.ts'
import { type Clock, steadyClock } from './clock.ts'
import { later, type OnFault } from './guard.ts'
import { type Clients, linger } from './linger.ts'
import { forgetPlace, listenAtPort, listenAtSocket } from './listen.ts'
import { anyPressure } from './pressure.ts'
import { type Connection, serveConnection } from './protocol/connection.ts'
import type { BrokerContext, BrokerLog, Limits } from './protocol/context.ts'
import { createFrameTurns } from './protocol/frame-turns.ts'
import { createUnfinished } from './protocol/unfinished.ts'
import { createSlices } from './slices.ts'
import { StoreDamagedError } from './store/errors.ts'
import { openStore } from './store/store.ts'
import { createVhost } from './vhost/vhost.ts'

export interface BrokerOptions {
  /** Where it listens, on 127.0.0.1. @default 0, a free one */
  port?: number
  /** Where it keeps messages and credentials. @default a temporary folder that `close` removes */
  folder?: string
  /** Free bytes of the disk below which publishers are blocked. @default 50 MB */
  diskFreeLimit?: number
  /** By which everything waits and expires. @default a steady one */
  clock?: Clock
  /** What clients may do at most; what is left out has its default. */
  limits?: Partial<Limits>
  /** @default nothing is logged */
  log?: BrokerLog
  /** Called when its store fails for good; the broker has closed then. @default the error is thrown, uncaught */
  onBroken?: (error: Error) => void
}

export interface Broker {
  /** `amqp://` with user and password. A secret: keep it out of logs. */
  readonly url: string
  readonly port: number
  /** How many clients are connected. */
  readonly connections: number
  /**
   * Ends its connections, and resolves when everything is on disk.
   * @param options.drain serve on while clients that are ending as well have not finished, and end soon after this is
   *   aborted
   */
  close(options?: { drain?: AbortSignal }): Promise<void>
  /** Lets the process end while the broker runs, as a server's `unref` does. */
  unref(): void
}

const LIMITS: Limits = {
  channelMax: 2047,
  frameMax: 131_072,
  messageMax: 16 * 1024 * 1024,
  heartbeat: 60,
  ...defaultAdmission(),
  queues: 50_000,
  consumers: 10_000,
  handshakeTimeout: 10_000,
  stallTimeout: 30_000,
  inFlightMax: 32 * 1024 * 1024,
  memoryMax: 256 * 1024 * 1024,
  unreadMax: 128 * 1024 * 1024,
  unfinishedMax: 256 * 1024 * 1024,
}

/** How long clients get to answer that they end their connection. */
const CLOSE_MS = 1_500

const SILENT: BrokerLog = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * Starts the embedded broker in this process: AMQP 0-9-1 on the loopback interface, durable in one folder.
 * @throws StartupError if the port is taken, or the folder is in use by another process or damaged
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { port = 0, diskFreeLimit, log = SILENT, clock = steadyClock() } = options
  const limits = { ...LIMITS, ...options.limits }
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'warren-broker-'))
  const credentials = obtainCredentials(folder)
  const connections = new Set<Connection>()
  const sockets = new Set<Socket>()
  let isUnreferenced = false
  /** Found damaged: before it serves anybody, that is the start's to tell. */
  let broken: Error | undefined
  let isServing = false

  const onFault: OnFault = (err) => log.error({ err }, 'a fault in the broker ended a piece of work')
  const alarms = createAlarms((reason) => {
    if (reason === undefined) log.info({}, 'publishers are no longer blocked')
    else log.warn({ reason }, 'publishers are blocked')
    for (const connection of connections) connection.onBlocked(reason)
  })
  const store = await openStore({
    folder,
    log,
    onFault,
    ...(diskFreeLimit === undefined ? {} : { diskFreeLimit }),
    onBlocked: (reason) => alarms.set('disk', reason),
    onUnblocked: () => alarms.set('disk', undefined),
    onBroken(error) {
      broken ??= error
      if (!isServing) return
      for (const socket of sockets) socket.destroy()
      for (const server of servers) server.close()
      if (!options.onBroken) throw error
      options.onBroken(error)
    },
  })

  const unread = { bytes: 0 }
  const held = () => store.heldBytes + unread.bytes
  const memory = watchMemory({ limit: limits.memoryMax, held, alarms, onFault })
  const slices = createSlices({ onError: onFault, pressure: store })
  const prompt = createSlices({ onError: onFault })
  const tools = { clock, slices, prompt, log, onFault, maxQueues: limits.queues }
  const vhost = await restored(() => createVhost(store, tools))
  const pressure = anyPressure(store, vhost.pressure)
  const context: BrokerContext = {
    vhost,
    slices,
    prompt,
    turns: createFrameTurns(onFault),
    together: store.together,
    synced: () => store.synced(),
    blockedReason() {
      memory.check()
      return alarms.reason
    },
    isExhausted: store.isExhausted,
    isBusy: pressure.isBusy,
    whenCalm: pressure.whenCalm,
    authenticate: (user, password) => isSame({ user, password }, credentials),
    replies: new Map(),
    transactions: { bytes: 0 },
    unread,
    unfinished: createUnfinished(limits.unfinishedMax),
    limits,
    log,
  }

  /** For any client, and for Warren's own processes. */
  const openDoor = createAdmission({ connections: limits.connections, log })
  const [portDoor, ownDoor] = [openDoor(limits.handshakes), openDoor(limits.connections)]
  const servers = [createServer({ noDelay: true }, serveAt(portDoor)), createServer(serveAt(ownDoor))] as const
  const [atPort, atSocket] = servers

  function serveAt(door: Door): (socket: Socket) => void {
    return function serve(socket) {
      if (isUnreferenced) socket.unref()
      sockets.add(socket)
      const connection = serveConnection(socket, context, door, () => {
        sockets.delete(socket)
        connections.delete(connection)
      })
      connections.add(connection)
    }
  }

  try {
    checkWhole()
    await listenAtPort(atPort, port)
    // Nobody knows of a temporary folder, nor looks for a socket in it.
    if (options.folder !== undefined) await listenAtSocket(atSocket, folder)
    checkWhole()
    isServing = true
  } catch (error) {
    for (const server of servers) server.close()
    await leave()
    throw error
  }
  // Such as having no descriptor left for a client: it is gone, and the others are served on.
  for (const server of servers) server.on('error', (error) => log.warn({ err: error }, 'a client could not connect'))

  let closed: Promise<void> | undefined
  const { port: actual } = atPort.address() as { port: number }
  return {
    port: actual,
    url: brokerUrl(credentials, actual),
    get connections() {
      return connections.size
    },
    close: (options) => (closed ??= close(options)),
    unref() {
      isUnreferenced = true
      for (const server of servers) server.unref()
      for (const socket of sockets) socket.unref()
    },
  }

  async function close({ drain }: { drain?: AbortSignal } = {}): Promise<void> {
    if (drain) await linger(clients, drain)
    const ended = Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    // A client that is stopped or hangs must not hold up the rest.
    const impatient = later(CLOSE_MS, onFault, () => sockets.forEach((socket) => void socket.destroy()))
    // Of an unreferenced broker nothing else keeps the process until it has closed.
    impatient.ref()
    await Promise.all([...connections].map((connection) => connection.close()))
    await ended
    clearTimeout(impatient)
    await leave()
  }

  function checkWhole(): void {
    if (broken) throw broken
  }

  /** What the store holds can't be brought back: it is not what was written. */
  async function restored<T>(restore: () => T): Promise<T> {
    try {
      return restore()
    } catch (error) {
      await store.close()
      throw new StoreDamagedError(folder, reasonOf(error), { cause: error })
    }
  }

  async function leave(): Promise<void> {
    vhost.close()
    slices.close()
    prompt.close()
    memory.stop()
    forgetPlace(folder)
    await store.close()
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
  }

  function clients(): Clients {
    const consumers = [...vhost.queues()].reduce((sum, queue) => sum + queue.consumerCount, 0)
    return { connections: connections.size, consumers }
  }
}
