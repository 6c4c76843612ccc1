import { database, write } from './database.ts'

export interface WatchedVideo {
  id: string
  videoPath: string
  /** ISO 8601, UTC. */
  watchedAt: string
}

/** Records a view once: the same id again changes nothing, so that a redelivered message does no harm. */
export function add(id: string, videoPath: string): Promise<void> {
  return write([
    {
      sql: 'INSERT OR IGNORE INTO history (id, video_path, watched_at) VALUES (?, ?, ?)',
      args: [id, videoPath, Date.now()],
    },
  ])
}

/** Views, newest first. */
export async function list(skip: number, limit: number): Promise<WatchedVideo[]> {
  const client = await database()
  const { rows } = await client.execute({
    sql: 'SELECT id, video_path, watched_at FROM history ORDER BY watched_at DESC, id DESC LIMIT ? OFFSET ?',
    args: [limit, skip],
  })
  return rows.map((row) => ({
    id: String(row.id),
    videoPath: String(row.video_path),
    watchedAt: new Date(Number(row.watched_at)).toISOString(),
  }))
}
