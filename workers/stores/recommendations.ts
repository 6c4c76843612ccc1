import { database, write } from './database.ts'

export interface Recommendation {
  videoPath: string
  views: number
}

/** Counts a view exactly once: in one transaction its id is noted, and the count grows only if the id was new. */
export function count(id: string, videoPath: string): Promise<void> {
  return write([
    { sql: 'INSERT OR IGNORE INTO counted_views (id) VALUES (?)', args: [id] },
    {
      // changes() is that of the statement before: 0 if it ignored a known id.
      sql: `INSERT INTO recommendations (video_path, views) SELECT ?, 1 WHERE changes() = 1
        ON CONFLICT (video_path) DO UPDATE SET views = views + 1`,
      args: [videoPath],
    },
  ])
}

/** The most watched videos. */
export async function top(limit: number): Promise<Recommendation[]> {
  const client = await database()
  const { rows } = await client.execute({
    sql: 'SELECT video_path, views FROM recommendations ORDER BY views DESC, video_path LIMIT ?',
    args: [limit],
  })
  return rows.map((row) => ({ videoPath: String(row.video_path), views: Number(row.views) }))
}
