import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { closeDatabase, database } from '../../workers/stores/database.ts'
import * as history from '../../workers/stores/history.ts'
import * as recommendations from '../../workers/stores/recommendations.ts'
import { runToEnd } from '../helpers/process.ts'
import { type Teardown, temporaryFolder } from '../helpers/tmp.ts'
import { until } from '../helpers/until.ts'

function ownData(t: Teardown): string {
  // Not there yet: the first use makes it.
  const folder = join(temporaryFolder(t), 'data')
  process.env.DATA_DIR = folder
  delete process.env.DATABASE_URL
  t.teardown(closeDatabase)
  return folder
}

t.test('history has each id once, newest first', async (t) => {
  const folder = ownData(t)
  await Promise.all(['a', 'a'].map((id) => history.add(id, `${id}.mp4`)))
  // The newer one is newer by the clock, which counts milliseconds.
  const added = Date.now()
  await until(() => Date.now() > added, { what: 'the next millisecond', interval: 1 })
  await history.add('b', 'b.mp4')
  await history.add('a', 'other.mp4')
  const found = await history.list(0, 10)
  t.same(
    found.map(({ id, videoPath }) => [id, videoPath]),
    [
      ['b', 'b.mp4'],
      ['a', 'a.mp4'],
    ],
  )
  t.ok(existsSync(join(folder, 'flixtube.db')))
})

t.test('recommendations count an id exactly once', async (t) => {
  ownData(t)
  // In one transaction with others, and again in a later one, as a redelivered message would.
  const views = Array.from({ length: 300 }, (_, i) => [`id-${i % 100}`, i % 100 < 60 ? 'a.mp4' : 'b.mp4'] as const)
  await Promise.all(views.map(([id, video]) => recommendations.count(id, video)))
  await Promise.all(views.map(([id, video]) => recommendations.count(id, video)))
  t.same(await recommendations.top(10), [
    { videoPath: 'a.mp4', views: 60 },
    { videoPath: 'b.mp4', views: 40 },
  ])
  t.same(await recommendations.top(1), [{ videoPath: 'a.mp4', views: 60 }])
})

t.test('a write that fails rejects, and the next one works', async (t) => {
  ownData(t)
  await (await database()).execute('ALTER TABLE history RENAME TO gone')
  await t.rejects(history.add('a', 'a.mp4'), /history/)
  await (await database()).execute('ALTER TABLE gone RENAME TO history')
  await history.add('a', 'a.mp4')
  t.equal((await history.list(0, 10)).length, 1)
})

t.test('four processes at once make the schema and write', async (t) => {
  const folder = ownData(t)
  const script = fileURLToPath(new URL('../fixtures/write-views.js', import.meta.url))
  const runs = Array.from({ length: 4 }, (_, i) =>
    runToEnd(process.execPath, [script, `p${i}`, '500'], { env: { ...process.env, DATA_DIR: folder } }),
  )
  for (const { code, output } of await Promise.all(runs)) t.equal(code, 0, output)

  const { rows } = await (await database()).execute('SELECT count(*) AS views, count(DISTINCT id) AS ids FROM history')
  t.match(rows[0], { views: 2_000, ids: 2_000 })
  // Half of the ids are those of all four processes.
  t.same(await recommendations.top(1), [{ videoPath: 'a.mp4', views: 4 * 250 + 250 }])
})
