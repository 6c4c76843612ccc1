import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { type Client, createClient, type InStatement } from '@libsql/client'
import { dataDir } from './data-dir.ts'

/** Milliseconds that a process waits for another one's write to end. */
const BUSY_TIMEOUT = 5_000

const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS history (
    id TEXT PRIMARY KEY, video_path TEXT NOT NULL, watched_at INTEGER NOT NULL
  ) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS history_newest ON history (watched_at DESC, id DESC)',
  'CREATE TABLE IF NOT EXISTS recommendations (video_path TEXT PRIMARY KEY, views INTEGER NOT NULL) WITHOUT ROWID',
  'CREATE TABLE IF NOT EXISTS counted_views (id TEXT PRIMARY KEY) WITHOUT ROWID',
]

let opened: Promise<Client> | undefined

/** This process's one client, its schema in place: `DATABASE_URL`, or SQLite in the data folder. */
export function database(): Promise<Client> {
  opened ??= open().catch((error) => {
    // The next caller tries again.
    opened = undefined
    throw error
  })
  return opened
}

/** Closes the client; the next use opens it again. */
export async function closeDatabase(): Promise<void> {
  const client = opened
  opened = undefined
  ;(await client)?.close()
}

async function open(): Promise<Client> {
  const url = process.env.DATABASE_URL?.trim() || fileUrl()
  const client = createClient({ url, timeout: BUSY_TIMEOUT })
  try {
    if (client.protocol === 'file') await enableWal(client)
    await client.batch(SCHEMA, 'write')
    return client
  } catch (error) {
    client.close()
    throw error
  }
}

function fileUrl(): string {
  mkdirSync(dataDir(), { recursive: true })
  return pathToFileURL(join(dataDir(), 'flixtube.db')).href
}

/**
 * With a write-ahead log readers and the writer don't block each other. SQLite refuses the switch at once while
 * another process is at it, busy timeout or not; whoever comes second finds it done.
 */
async function enableWal(client: Client): Promise<void> {
  const end = Date.now() + BUSY_TIMEOUT
  for (;;) {
    try {
      await client.execute('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (!String((error as { code?: string }).code).startsWith('SQLITE_BUSY') || Date.now() > end) throw error
      await delay(10 + Math.random() * 40)
    }
  }
}

interface Write {
  readonly statements: readonly InStatement[]
  resolve(): void
  reject(error: unknown): void
}

let waiting: Write[] = []

/**
 * Runs statements in a transaction, durable once this resolves. Writes that are asked for in the same turn of the
 * event loop share one transaction, because each costs a sync of the disk: that is some 50 views at once in a worker.
 */
export function write(statements: readonly InStatement[]): Promise<void> {
  return new Promise((resolve, reject) => {
    if (waiting.length === 0) setImmediate(flush)
    waiting.push({ statements, resolve, reject })
  })
}

async function flush(): Promise<void> {
  const writes = waiting
  waiting = []
  try {
    const client = await database()
    await client.batch(
      writes.flatMap((w) => w.statements),
      'write',
    )
    for (const w of writes) w.resolve()
  } catch (error) {
    // The transaction is undone for all of them; each is a message that its worker tells the broker has failed.
    for (const w of writes) w.reject(error)
  }
}
