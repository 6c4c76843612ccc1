import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { guardProcesses } from './own-processes.ts'
import { freePort } from './ports.ts'
import { runToEnd } from './process.ts'
import type { Teardown } from './tmp.ts'

/** The repository, seen from dist/test/helpers/. */
export const REPOSITORY = resolve(import.meta.dirname, '../../..')

export interface FreshClone {
  readonly root: string
  readonly port: number
  /** Runs a line of shell in the project's folder. */
  sh(command: string): ReturnType<typeof runToEnd>
}

/**
 * The project as a fresh clone would have it: without what .gitignore names, with what is not committed yet; a pm2 and a
 * port of its own. Its node_modules is a link to the repository's, because `npm ci` is what CI runs. All that it starts
 * ends with the test, or when the test's process is killed.
 */
export async function freshClone(t: Teardown): Promise<FreshClone> {
  // pm2's sockets live in PM2_HOME, and a socket's path has room for about a hundred characters.
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'w-')))
  const root = join(base, 'warren')
  const port = await freePort()
  // Nothing of the test run's own environment: tap's variables would make what runs here a part of it.
  const env: NodeJS.ProcessEnv = {
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    HOME: process.env.HOME,
    TMPDIR: tmpdir(),
    PM2_HOME: join(base, 'pm2'),
    PORT: String(port),
    BROKER_PORT: String(await freePort()),
    npm_config_loglevel: 'silent',
    npm_config_update_notifier: 'false',
  }
  const sh: FreshClone['sh'] = (command) => runToEnd('sh', ['-c', command], { cwd: root, env })

  const release = guardProcesses(`PM2_HOME=${env.PM2_HOME}`, base)
  t.teardown(async function endProject() {
    if (existsSync(join(base, 'pm2'))) await sh('npx pm2 kill')
    const left = await release()
    if (left.length > 0) throw new Error(`The test left processes running: ${left.join('; ')}`)
  })

  const ignored = readFileSync(join(REPOSITORY, '.gitignore'), 'utf8').split('\n')
  const left = new Set(['.git', ...ignored.map((name) => name.replace(/\/$/, ''))])
  cpSync(REPOSITORY, root, { recursive: true, filter: (path) => !left.has(basename(path)) })
  symlinkSync(realpathSync(join(REPOSITORY, 'node_modules')), join(root, 'node_modules'))
  return { root, port, sh }
}
