// What can be found out before a start stops or starts anything.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { differencesOf, makeMark, projectEnv, readMark } from '../base/app-mark.ts'
import { BROKER_HOST } from '../base/broker-credentials.ts'
import { StartupError } from '../base/errors.ts'
import type { App, Instance } from './pm2.ts'
import { BROKER, FRONT_DOOR } from './project.ts'
import type { StartOptions } from './start.ts'
import type { StartPlan } from './start-plan.ts'

const PORT_PROBLEMS = new Map([
  ['EADDRINUSE', 'is in use by another process: end that one, or set'],
  ['EACCES', 'may not be used by this user: choose one above 1023 with'],
  ['EADDRNOTAVAIL', "is no address of this machine's: set"],
])

/** @throws StartupError that says what is in the way; nothing has been stopped or started then */
export async function refuseStart(
  plan: StartPlan,
  own: readonly Instance[],
  { root, config }: Pick<StartOptions, 'root' | 'config'>,
): Promise<void> {
  const frontDoor = own.find(({ name }) => name === FRONT_DOOR)
  if (frontDoor) refuseWithoutKeys(frontDoor, projectEnv(root))
  const apps = [...plan.fresh, ...plan.outdated.map(({ app }) => app)]
  const { host, port, brokerPort } = config
  if (moves(FRONT_DOOR, ['PORT', 'HOST'])) await refuseTaken(FRONT_DOOR, host, port, 'PORT or HOST')
  if (moves(BROKER, ['BROKER_PORT'])) await refuseTaken(BROKER, BROKER_HOST, brokerPort, 'BROKER_PORT')

  /** Whether an app is to listen where it does not yet. */
  function moves(name: string, variables: readonly string[]): boolean {
    const app = apps.find((one: App) => one.name === name)
    if (!app) return false
    const running = own.find((instance) => instance.name === name && instance.status === 'online')
    const mark = running && readMark(running.env)
    if (!running) return true
    if (!mark) return false
    return differencesOf(mark, makeMark(app, root, mark.salt)).some((one) => variables.includes(one.name))
  }
}

// From 401 to 200 by a shell that lacks a variable: that must be somebody's will.
function refuseWithoutKeys(frontDoor: Instance, env: NodeJS.ProcessEnv): void {
  const mark = readMark(frontDoor.env)
  if (env.API_KEYS !== undefined || !mark?.values.has('API_KEYS')) return
  throw new StartupError(
    'WARREN_KEYS_MISSING',
    'The front door runs with API_KEYS, and this start has none: expected them in the environment or in `.env`. Set ' +
      'them, or use `--without-keys` to let everybody in who reaches it. Nothing was changed.',
  )
}

async function refuseTaken(app: string, host: string, port: number, variable: string): Promise<void> {
  if (port === 0) return
  const server = createServer()
  try {
    server.listen({ port, host, exclusive: true })
    await once(server, 'listening')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    const problem = PORT_PROBLEMS.get(code) ?? `can't be used (${code}): set`
    throw new StartupError(
      'WARREN_PORT',
      `${app}: Port ${port} on ${host} ${problem} ${variable}. Nothing was changed.`,
    )
  } finally {
    server.close()
  }
}
