import { spawnSync } from 'node:child_process'
import { freePort } from '../helpers/ports.ts'
import { run } from '../helpers/process.ts'
import { type Teardown, temporaryFolder } from '../helpers/tmp.ts'

export interface Redis {
  /** For test names: `Redis 7.0.15`. */
  readonly name: string
  readonly url: string
  readonly pid: number
}

/** Why there is no Redis, or false. */
export function noRedis(): string | false {
  return version() ? false : 'BullMQ is left out: redis-server is not installed. Debian has it as redis-server.'
}

function version(): string | undefined {
  return /v=(\S+)/.exec(spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]
}

/**
 * Starts a private Redis on a free port of loopback, in a folder of its own, which appends each write to a file and
 * syncs that once a second, as BullMQ advises; ended by the teardown.
 */
export async function startRedis(t: Teardown): Promise<Redis> {
  const folder = temporaryFolder(t, 'warren-redis-')
  const port = await freePort()
  const settings = { bind: '127.0.0.1', port, dir: folder, save: '', appendonly: 'yes', appendfsync: 'everysec' }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const server = run('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => server.end())
  await server.outputs(/Ready to accept connections/)
  return { name: `Redis ${version()}`, url: `redis://127.0.0.1:${port}`, pid: server.pid }
}
