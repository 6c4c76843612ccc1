import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isOwn, reads, runsUserCode } from '../base/app-env.ts'
import { type Difference, differencesOf, filesOf, type Mark, makeMark, readMark } from '../base/app-mark.ts'
import type { App, Instance } from './pm2.ts'
import { COMPILER } from './project.ts'

/** Where in the project's code a variable's name stands. */
export type Mention = 'in the app' | 'elsewhere' | 'nowhere'

/**
 * Those of the differences that an app sees: Warren's own variables by what it reads of them, others by which files
 * name them. One that no file names may be a library's. It counts where `.env` has it, or where it is set to something
 * else; not where it has come or gone, as hundreds do between a terminal and a cron job.
 */
export function seenBy(app: string, differences: readonly Difference[], mention: (name: string) => Mention): string[] {
  return differences.filter(isSeen).map(({ name }) => name)

  function isSeen({ name, kind, inFile }: Difference): boolean {
    if (reads(app, name)) return true
    if (!runsUserCode(app)) return false
    const where = mention(name)
    if (where !== 'nowhere' || isOwn(name)) return where === 'in the app'
    return inFile || kind === 'changed'
  }
}

export interface OutdatedOptions {
  root: string
  /** Whether the autoscaler has stopped a worker, to wake it when it is needed. */
  isAsleep: (name: string) => boolean
}

/**
 * Tells for an app's instances why they don't run as they would if they were started now; undefined: they do.
 * @param apps every app of the project
 */
export function createOutdated(apps: readonly App[], { root, isAsleep }: OutdatedOptions) {
  const texts = new Map<string, string>()
  const now = new Map<string, Mark>()
  let userFiles: Set<string> | undefined

  return function whyOutdated(app: App, instances: readonly Instance[]): string | undefined {
    for (const instance of instances) {
      const why = whyOne(app, instance)
      if (why) return why
    }
    return undefined
  }

  function whyOne(app: App, instance: Instance): string | undefined {
    // Or is about to, or is being woken.
    const sleeps = instance.status !== 'online' && isAsleep(instance.name)
    if (instance.name !== COMPILER && instance.status !== 'online' && !sleeps) return 'it was down'
    const before = readMark(instance.env)
    if (!before) return 'another version of Warren has started it'
    const current = markOf(app, before.salt)
    const seen = seenBy(
      app.name,
      differencesOf(before, current).filter(({ name }) => name !== 'PM2_HOME'),
      (name) => mentionOf(app, name),
    )
    if (seen.length > 0) return `${seen.join(', ')} ${seen.length > 1 ? 'have' : 'has'} changed`
    // Neither has loaded anything: they do when they are started.
    if (instance.name === COMPILER || (sleeps && instance.status !== 'launching')) return undefined
    return runsCode(app, instance, before, current) ? undefined : 'its code has changed'
  }

  // A process that pm2 has started again since then has loaded what was there at that time.
  function runsCode(app: App, instance: Instance, before: Mark, current: Mark): boolean {
    if (instance.restarts === 0 && before.code === current.code) return true
    // A file's change time, unlike its modification time, can't lie in the past after a copy or a move.
    const changedAt = (file: string) => statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? 0
    return ![...filesOf(app, root)].some((file) => changedAt(file) > instance.startedAt)
  }

  // Instances of an app have one salt, unless somebody has started them one by one.
  function markOf(app: App, salt: string): Mark {
    const key = `${app.name} ${salt}`
    const known = now.get(key) ?? makeMark(app, root, salt)
    now.set(key, known)
    return known
  }

  function mentionOf(app: App, name: string): Mention {
    const word = new RegExp(`(?<![\\w$])${name.replaceAll(/[^\w]/g, '\\$&')}(?![\\w$])`)
    const names = (file: string) => word.test(textOf(file))
    if ([...filesOf(app, root)].filter(isUsers).some(names)) return 'in the app'
    userFiles ??= new Set(apps.flatMap((one) => [...filesOf(one, root)].filter(isUsers)))
    return [...userFiles].some(names) ? 'elsewhere' : 'nowhere'
  }

  function isUsers(file: string): boolean {
    return ['workers', 'routes'].some((folder) => file.startsWith(join(root, 'dist', folder, '/')))
  }

  function textOf(file: string): string {
    let text = texts.get(file)
    if (text === undefined) {
      text = statSync(file, { throwIfNoEntry: false })?.isFile() ? readFileSync(file, 'utf8') : ''
      texts.set(file, text)
    }
    return text
  }
}
