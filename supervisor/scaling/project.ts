import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { StartupError } from '../base/errors.ts'
import type { App, Instance } from './pm2.ts'

/** The variables that a running process was started with and that make it a different one when they change. */
const RELEVANT = [
  'AMQP_URL',
  'BROKER_PORT',
  'PORT',
  'HOST',
  'API_KEYS',
  'LOG_LEVEL',
  'DATA_DIR',
  'DATABASE_URL',
  'SHUTDOWN_TIMEOUT',
  'MAX_INSTANCES',
  'WARREN_DEV',
  'WATCH_POLL',
]

/** The app that compiles in dev; it runs for a moment at a time, so it is never ready. */
export const COMPILER = 'compiler'

/** The app that scales the others: whoever stops or starts those, stops it first. */
export const AUTOSCALER = 'autoscaler'

/** The app of the embedded broker. What needs it goes before it does. */
export const BROKER = 'broker'

/** The environment of the project's processes: this one's, completed by the `.env` file, which is not applied here. */
export function projectEnv(root: string): NodeJS.ProcessEnv {
  const file = join(root, '.env')
  return { ...(existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}), ...process.env }
}

/** What ecosystem.config.cjs says. */
export function readEcosystem(root: string): App[] {
  const file = join(root, 'ecosystem.config.cjs')
  if (!existsSync(file)) {
    throw new StartupError('WARREN_PROJECT', `Expected ${file}, found nothing. Run this in the project's folder.`)
  }
  return (createRequire(file)(file) as { apps: App[] }).apps
}

/** Those of pm2's processes that belong to the project: started from its folder, in its namespace. */
export function ownInstances(all: readonly Instance[], root: string): Instance[] {
  const namespace = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string }).name
  return all.filter((instance) => instance.folder === root && instance.namespace === namespace)
}

/**
 * Whether a process runs with the environment and the files that it would get if it were started now.
 * @param files what it loads
 */
export function isUpToDate(
  instance: Instance,
  files: Iterable<string>,
  { root, isAsleep }: { root: string; isAsleep: (name: string) => boolean },
): boolean {
  // Or is about to, or is being woken.
  const sleeps = instance.status !== 'online' && isAsleep(instance.name)
  if (instance.name !== COMPILER && instance.status !== 'online' && !sleeps) return false
  // An empty variable is not a missing one: it keeps out what `.env` says.
  if (RELEVANT.some((name) => instance.env[name] !== process.env[name])) return false
  // Neither has loaded anything: they do when they are started.
  if (instance.name === COMPILER || (sleeps && instance.status !== 'launching')) return true
  return ![join(root, '.env'), ...files].some((file) => changedAt(file) > instance.startedAt)
}

function changedAt(file: string): number {
  // A file's change time, unlike its modification time, can't lie in the past after a copy or a move.
  return statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? 0
}
