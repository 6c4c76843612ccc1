import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { APP_VARIABLE } from '../base/app-env.ts'
import { projectEnv } from '../base/app-mark.ts'
import { StartupError } from '../base/errors.ts'
import { listSources } from '../base/sources.ts'
import type { App, Instance } from './pm2.ts'

/** The app that compiles in dev; it runs for a moment at a time, so it is never ready. */
export const COMPILER = 'compiler'

/** The app that scales the others: whoever stops or starts those, stops it first. */
export const AUTOSCALER = 'autoscaler'

/** The app of the embedded broker. What needs it goes before it does. */
export const BROKER = 'broker'

export const FRONT_DOOR = 'front-door'

/** What ecosystem.config.cjs says. */
export function readEcosystem(root: string): App[] {
  const file = join(root, 'ecosystem.config.cjs')
  if (!existsSync(file)) {
    throw new StartupError('WARREN_PROJECT', `Expected ${file}, found nothing. Run this in the project's folder.`)
  }
  return (createRequire(file)(file) as { apps: App[] }).apps
}

/** The apps that a start would start, without compiling anything; files that are not right are left out. */
export function expectedApps(root: string): string[] {
  const embedded = !projectEnv(root).AMQP_URL?.trim()
  return [...(embedded ? [BROKER] : []), FRONT_DOOR, ...workersOf(root), AUTOSCALER]
}

/**
 * Those of pm2's processes that belong to the project: started from its folder, and marked as one of its apps. The
 * project's name may have changed since then; that it is pm2's namespace counts for what has no mark yet.
 */
export function ownInstances(all: readonly Instance[], root: string): Instance[] {
  const namespace = nameOf(root)
  return all.filter(
    (instance) =>
      instance.folder === root && (instance.env[APP_VARIABLE] === instance.name || instance.namespace === namespace),
  )
}

function workersOf(root: string): string[] {
  try {
    return listSources(root, 'workers').map(({ name }) => name)
  } catch {
    return []
  }
}

function nameOf(root: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name?: string }).name
  } catch {
    return undefined
  }
}
