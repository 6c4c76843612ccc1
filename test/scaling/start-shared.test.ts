import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createProject, stubWorker } from '../helpers/project.ts'

// @long

t.setTimeout(600_000)

const shared = (version: number, problem = '') =>
  `export function version(): number {\n  ${problem}\n  return ${version}\n}\n`

/** Imports what the others import, and asks it when it starts. */
function sharing(name: string): string {
  const body = `log.info({ version: version() }, 'starting')
    await report.set({ status: 'ready' })
    return async () => {}`
  return stubWorker(name, body, "import { version } from './messages/shared.ts'")
}

t.test('what all workers share is tried on one of them, then on the others together', async (t) => {
  const names = ['a', 'b', 'c', 'sleepy']
  const project = await createProject(t, Object.fromEntries(names.map((name) => [name, sharing(name)])))
  project.write('workers/messages/shared.ts', shared(1))
  t.equal((await project.npm('start')).code, 0)
  // As the autoscaler puts a worker to sleep that has nothing to do.
  mkdirSync(join(project.root, 'data/scaling'), { recursive: true })
  writeFileSync(join(project.root, 'data/scaling/asleep.json'), '["sleepy"]\n')
  t.equal((await project.pm2('stop', 'sleepy')).code, 0)
  const before = await project.pids()

  project.write('workers/messages/shared.ts', shared(2, "if (process.env.WARREN_APP) throw new Error('no version 2')"))
  const failed = await project.npm('start')
  t.match(failed, { code: 1, stdout: /restarting a: its code has changed\n/, stderr: /a: no version 2/ })
  t.notMatch(failed.stdout, /restarting [^a]/)
  const { a: _, autoscaler: __, ...others } = before
  const { a: ___, autoscaler: ____, ...left } = await project.pids()
  t.same(left, others, 'a mistake stops one of them')

  // pm2 goes on trying the one that has failed, and may be faster.
  project.write('workers/messages/shared.ts', shared(3))
  t.equal((await project.npm('start')).code, 0)
  project.write('workers/messages/shared.ts', shared(4))
  const { code, stdout, stderr } = await project.npm('start')
  t.equal(code, 0, stderr)
  t.match(stdout, /restarting a: .*\n +restarting b, c: its code has changed\n/)
  t.notMatch(stdout, 'sleepy', 'it loads the new code when it is woken')

  const slept = async () => (await project.list()).find(({ name }) => name === 'sleepy')
  t.match(await slept(), { status: 'stopped' })
  const louder = await project.npm('start', [], { LOG_LEVEL: 'debug' })
  t.match(louder, { code: 0, stdout: /restarting sleepy: LOG_LEVEL has changed/ }, 'what it will be woken with')
  t.match(await slept(), { status: 'stopped' }, 'and it sleeps again')
  t.match(await project.npm('start', [], { LOG_LEVEL: 'debug' }), { code: 0, stdout: /already running/ })
})

t.test('no more workers at once than the machine may have, as long as they may sleep', async (t) => {
  const body = `const note = (line: string) => appendFileSync('journal', line + '\\n')
    note('in')
    await report.set({ status: 'ready' })
    return async () => note('out')`
  const sleeper = (name: string) =>
    stubWorker(name, body, "import { appendFileSync } from 'node:fs'").replace(
      'handler: async () => {}',
      'handler: async () => {}, scale: { min: 0 }',
    )
  const names = ['a', 'b', 'c', 'd']
  const project = await createProject(t, Object.fromEntries(names.map((name) => [name, sleeper(name)])))
  Object.assign(project.env, { MAX_INSTANCES: '2' })
  const { code, stdout, stderr } = await project.npm('start')
  t.equal(code, 0, stderr)
  t.match(stdout, /a, b: asleep until .*\n +c, d: asleep until there is something to do, as MAX_INSTANCES is 2/)
  t.same(
    (await project.list()).flatMap(({ name, status }) => (names.includes(name) ? status : [])),
    names.map(() => 'stopped'),
  )
  let running = 0
  let most = 0
  for (const line of readFileSync(join(project.root, 'journal'), 'utf8').trim().split('\n')) {
    running += line === 'in' ? 1 : -1
    most = Math.max(most, running)
  }
  t.same([running, most], [0, 2])
  t.match(await project.npm('start'), { code: 0, stdout: /already running/ })
})
