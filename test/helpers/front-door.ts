import { Hono } from 'hono'
import type { Bus } from '../../supervisor/base/bus.ts'
import type { DeadLetters } from '../../supervisor/base/dead-letters.ts'
import type { BrokenWorker, Fleet } from '../../supervisor/base/fleet.ts'
import type { FrontDoor, FrontDoorClient } from '../../supervisor/base/front-door.ts'
import { loggerOn } from '../../supervisor/base/log.ts'
import { createApp } from '../../supervisor/http/app.ts'
import type { Mount } from '../../supervisor/http/routes.ts'
import { type HttpServer, serve } from '../../supervisor/http/server.ts'
import type { Teardown } from './tmp.ts'

/** A message that a route sent. */
export interface Recorded {
  address: string
  data: unknown
  requestId: string | undefined
}

export interface FrontDoorOptions {
  apiKeys?: string[]
  /** A sub-app, mounted at `/`; or what discovery found. */
  routes?: Hono<FrontDoor> | Mount[]
  state?: FrontDoorClient['state']
  /** The project's dead letters; without them, asking for them is an unexpected error. */
  deadLetters?: DeadLetters
  fleet?: Fleet
  /** The files in `workers/` that are broken. */
  broken?: BrokenWorker[]
  /** What every send rejects with. */
  refuse?: () => Error
}

export interface StartedFrontDoor {
  readonly url: string
  readonly server: HttpServer
  readonly sent: Recorded[]
  /** Every log line, parsed. */
  logs(): Record<string, unknown>[]
  readonly lines: string[]
}

/** The HTTP part on a real port, over a messaging client that keeps to its contract and remembers. */
export async function startFrontDoor(t: Teardown, options: FrontDoorOptions = {}): Promise<StartedFrontDoor> {
  const { apiKeys = [], routes = [], state = { status: 'ready' }, refuse } = options
  const { deadLetters = {} as DeadLetters, fleet = {} as Fleet, broken = [] } = options
  const lines: string[] = []
  const log = loggerOn({ write: (line) => void lines.push(line) }, { level: 'debug', formatters: {} })
  const sent: Recorded[] = []

  function bus(headers?: { requestId?: string }): Bus {
    async function record({ name }: { name: string }, data: unknown) {
      if (refuse) throw refuse()
      sent.push({ address: name, data, requestId: headers?.requestId })
      return { id: `message-${sent.length}` }
    }
    return { send: record, publish: record, call: record as unknown as Bus['call'] }
  }

  const mounts = routes instanceof Hono ? [{ path: '/', file: 'routes/index.ts', app: routes }] : routes
  const app = createApp({
    config: { apiKeys },
    log,
    client: { state, bus },
    deadLetters,
    fleet,
    workers: { broken: async () => broken },
    project: 'test',
    routes: mounts,
  })
  const server = await serve(app, { host: '127.0.0.1', port: 0 })
  t.teardown(() => server.stop(AbortSignal.abort()))
  return {
    url: `http://127.0.0.1:${server.port}`,
    server,
    sent,
    lines,
    logs: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
  }
}
