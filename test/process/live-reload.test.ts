import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createProject, readyWorker, stubWorker, type TestProject, until } from '../helpers/project.ts'

// @long

t.setTimeout(600_000)

const known = new WeakMap<TestProject, Record<string, number[]>>()

for (const [mode, env] of [
  ['file system events', {}],
  ['polling', { WATCH_POLL: '1' }],
] as const) {
  t.test(`live reload with ${mode}`, async (t) => {
    const shared = "import { shared } from './messages/shared.ts'\nvoid shared"
    const project = await createProject(t, {
      alone: readyWorker('alone'),
      first: readyWorker('first', shared),
      second: readyWorker('second', shared),
      'messages/shared': "export const shared = 'one'\n",
    })
    const started = await project.npm('start:dev', [], env)
    t.equal(started.code, 0, started.stdout + started.stderr)
    t.match(started.stdout, 'with live reload')
    known.set(project, await project.pids())

    project.write('workers/alone.ts', readyWorker('alone', '// edited\nvoid "edited"'))
    await restarts(t, project, ['alone'])

    project.write('workers/messages/shared.ts', "export const shared = 'two'\n")
    await restarts(t, project, ['first', 'second'])

    project.write(
      'supervisor/process/report.ts',
      `${readFileSync(join(project.root, 'supervisor/process/report.ts'), 'utf8')}\nvoid 'edited'\n`,
    )
    await restarts(t, project, ['alone', 'autoscaler', 'first', 'front-door', 'second'])

    // An error in one file: nothing is emitted, nothing restarts, and the logs tell.
    const before = await project.pids()
    project.write('workers/alone.ts', 'export const broken: number = "text"')
    await until('the error shows in the logs', async () => {
      const { stdout } = await project.npm('logs', ['compiler', '--nostream'])
      return /workers\/alone\.ts.*error|error.*workers\/alone\.ts/s.test(stdout)
    })
    t.same({ ...(await project.pids()), compiler: [0] }, { ...before, compiler: [0] }, 'everything runs on')

    // Code that compiles but can't start waits for the next change; the others run on.
    project.write('workers/alone.ts', stubWorker('alone', "throw new Error('broken')"))
    await restarts(t, project, ['alone'])
    await until('the failure shows', async () => /alone .*failed: broken/.test((await project.npm('status')).stdout))
    project.write('workers/alone.ts', readyWorker('alone'))
    await restarts(t, project, ['alone'])
    await until('it has recovered', async () => /alone .*ready/.test((await project.npm('status')).stdout))

    t.equal((await project.npm('start')).code, 0)
    t.notOk('compiler' in (await project.pids()), 'an ordinary start ends live reload')
    t.equal((await project.npm('stop')).code, 0)
  })
}

t.test('a reload lets what runs finish', async (t) => {
  const slow = `await report.set({ status: 'ready' })
    return async () => { await new Promise((r) => setTimeout(r, 1_000)); process.stdout.write('drained\\n') }`
  const project = await createProject(t, { slow: stubWorker('slow', slow) })
  t.equal((await project.npm('start:dev')).code, 0)
  known.set(project, await project.pids())
  project.write('workers/slow.ts', readyWorker('slow'))
  await restarts(t, project, ['slow'])
  const { stdout } = await project.npm('logs', ['slow', '--nostream', '--lines', '100'])
  t.match(stdout, /changed.*drained.*stopped/s)
})

/** Waits until exactly these apps have other processes than they had when it was called last. */
async function restarts(t: Test, project: TestProject, names: string[]): Promise<void> {
  const before = known.get(project) ?? {}
  const changed = (now: Record<string, number[]>) =>
    Object.keys(now)
      .filter((name) => name !== 'compiler' && String(now[name]) !== String(before[name]))
      .sort()
  const running = (now: Record<string, number[]>) => names.every((name) => now[name]?.every((pid) => pid > 0))
  let now = before
  await until(`${names} restart`, async () => {
    now = await project.pids()
    return names.every((name) => changed(now).includes(name)) && running(now)
  })
  t.same(changed(now), names, `a change restarts ${names} and nothing else`)
  known.set(project, now)
}
