import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createProject, isAlive, stubWorker, until } from '../helpers/project.ts'

// @long

t.setTimeout(600_000)

t.test('processes of a killed pm2 daemon drain and end, so that the next start is the only one', async (t) => {
  const project = await createProject(t, {
    history: stubWorker(
      'history',
      "await report.set({ status: 'ready' }); return async () => writeFileSync('drained', '')",
      "import { writeFileSync } from 'node:fs'",
    ),
  })
  t.equal((await project.npm('start')).code, 0)
  const orphans = Object.values(await project.pids()).flat()
  t.equal(orphans.length, 3)

  process.kill(Number(readFileSync(`${project.env.PM2_HOME}/pm2.pid`, 'utf8')), 'SIGKILL')
  await until('the processes end', () => !orphans.some(isAlive))
  t.ok(existsSync(join(project.root, 'drained')), 'although nobody reads their logs any more')

  const again = await project.npm('start')
  t.equal(again.code, 0, again.stderr)
  t.equal(Object.values(await project.pids()).flat().length, 3)
})
