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
  if (moves(FRONT_DOOR, ['PORT', 'HOST'])) await refuseTaken(FRONT_DOOR, host, port)
  if (moves(BROKER, ['BROKER_PORT'])) await refuseTaken(BROKER, BROKER_HOST, brokerPort)

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

async function refuseTaken(app: string, host: string, port: number): Promise<void> {
  if (port === 0) return
  const server = createServer()
  try {
    server.listen({ port, host, exclusive: true })
    await once(server, 'listening')
  } catch (error) {
    throw new StartupError('WARREN_PORT', `${app}: ${portProblem(app, host, port, error as NodeJS.ErrnoException)}`)
  } finally {
    server.close()
  }
}

// In the words of the process that would have met it.
function portProblem(app: string, host: string, port: number, { code, message }: NodeJS.ErrnoException): string {
  if (app === BROKER && code === 'EADDRINUSE') {
    return `Port ${port} is in use: the embedded broker can't listen there. End what uses it, or set BROKER_PORT.`
  }
  const variable = app === BROKER ? 'BROKER_PORT' : 'PORT'
  if (code === 'EADDRINUSE') return `Port ${port} on ${host} is in use by another process. Stop it, or set ${variable}.`
  if (code === 'EACCES') return `Port ${port} on ${host} is not for this user. Set ${variable} to one above 1023.`
  if (code === 'EADDRNOTAVAIL') return `Expected HOST to be an address of this machine, found ${host}.`
  return `Port ${port} on ${host} can't be used: ${message}.`
}
