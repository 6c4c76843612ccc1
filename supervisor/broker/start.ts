import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StartupError } from '../base/errors.ts'
import { type Credentials, isSame, obtainCredentials } from './credentials.ts'
import { type Connection, serveConnection } from './protocol/connection.ts'
import type { BrokerContext, BrokerLog, Limits } from './protocol/context.ts'
import { openStore } from './store/store.ts'
import { createVhost } from './vhost/vhost.ts'

export interface BrokerOptions {
  /** Where it listens, on 127.0.0.1. @default 0, a free one */
  port?: number
  /** Where it keeps messages and credentials. @default a temporary folder that `close` removes */
  folder?: string
  /** Free bytes of the disk below which publishers are blocked. @default 50 MB */
  diskFreeLimit?: number
  /** @default nothing is logged */
  log?: BrokerLog
  /** Called when its store fails for good; the broker has closed then. @default the error is thrown, uncaught */
  onBroken?: (error: Error) => void
}

export interface Broker {
  /** `amqp://` with user and password. A secret: keep it out of logs. */
  readonly url: string
  readonly port: number
  /** Ends its connections, and resolves when everything is on disk. */
  close(): Promise<void>
}

const HOST = '127.0.0.1'

const LIMITS: Limits = {
  channelMax: 2047,
  frameMax: 131_072,
  messageMax: 16 * 1024 * 1024,
  heartbeat: 60,
  handshakeTimeout: 10_000,
}

const SILENT: BrokerLog = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * Starts the embedded broker in this process: AMQP 0-9-1 over TCP on the loopback interface, durable in one folder.
 * @throws StartupError if the port is taken, or the folder is in use by another process or damaged
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { port = 0, diskFreeLimit, log = SILENT } = options
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'warren-broker-'))
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const connections = new Set<Connection>()
  const sockets = new Set<Socket>()
  let blocked: string | undefined

  const store = await openStore({
    folder,
    log,
    ...(diskFreeLimit === undefined ? {} : { diskFreeLimit }),
    onBlocked(reason) {
      blocked = reason
      log.warn({ reason }, 'publishers are blocked')
      for (const connection of connections) connection.onBlocked(reason)
    },
    onUnblocked() {
      blocked = undefined
      log.info({}, 'publishers are no longer blocked')
      for (const connection of connections) connection.onBlocked(undefined)
    },
    onBroken(error) {
      for (const socket of sockets) socket.destroy()
      server.close()
      if (!options.onBroken) throw error
      options.onBroken(error)
    },
  })

  const credentials = obtainCredentials(folder)
  const vhost = createVhost(store)
  const context: BrokerContext = {
    vhost,
    synced: () => store.synced(),
    blockedReason: () => blocked,
    authenticate: (user, password) => isSame({ user, password }, credentials),
    replies: new Map(),
    limits: LIMITS,
    log,
  }

  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    const connection = serveConnection(socket, context, () => {
      sockets.delete(socket)
      connections.delete(connection)
    })
    connections.add(connection)
  })

  try {
    await listen(server, port)
  } catch (error) {
    vhost.close()
    await store.close()
    throw error
  }

  let closed: Promise<void> | undefined
  const { port: actual } = server.address() as { port: number }
  return {
    port: actual,
    url: urlOf(credentials, actual),
    close: () => (closed ??= close()),
  }

  async function close(): Promise<void> {
    const ended = new Promise<void>((resolve) => server.close(() => resolve()))
    await Promise.all([...connections].map((connection) => connection.close()))
    await ended
    vhost.close()
    await store.close()
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** The URL of the broker with these credentials on this machine. */
export function urlOf({ user, password }: Credentials, port: number): string {
  return `amqp://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${HOST}:${port}`
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = `Port ${port} is in use: the embedded broker can't listen there. End what uses it, or set BROKER_PORT.`
      reject(error.code === 'EADDRINUSE' ? new StartupError('WARREN_BROKER_PORT', taken) : error)
    })
    server.listen(port, HOST, resolve)
  })
}
