import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createProject, outputOf, type TestProject } from './helpers/project.ts'

t.setTimeout(600_000)

/** A project with as little to compile as possible. */
async function createSmallProject(t: Test): Promise<TestProject> {
  const project = await createProject(t)
  const supervisor = join(project.root, 'supervisor')
  for (const entry of readdirSync(supervisor)) {
    if (entry !== 'build.cjs' && entry !== 'base') rmSync(join(supervisor, entry), { recursive: true })
  }
  for (const entry of readdirSync(join(supervisor, 'base'))) {
    if (entry !== 'lock-file.cjs') rmSync(join(supervisor, 'base', entry))
  }
  project.write('workers/a.ts', 'export const a = 1\n')
  project.write('workers/b.ts', 'export const b = 1\n')
  return project
}

t.test('it compiles when something has changed, and only then', async (t) => {
  const project = await createSmallProject(t)
  const compiled = (file: string) => join(project.root, 'dist', file)
  const builds = async (what: string) => t.match(await project.npm('build'), { code: 0, stdout: /Compiled/ }, what)
  const rests = async (what: string) => t.match(await project.npm('build'), { code: 0, stdout: /^$/ }, what)

  await builds('in a fresh clone')
  t.ok(existsSync(compiled('workers/a.js')))
  await rests('right after')

  const before = statSync(compiled('workers/b.js')).mtimeMs
  project.write('workers/a.ts', 'export const a = 2\n')
  await builds('after an edit')
  t.match(readFileSync(compiled('workers/a.js'), 'utf8'), 'a = 2')
  t.equal(statSync(compiled('workers/b.js')).mtimeMs, before, 'what did not change is not written')

  utimesSync(join(project.root, 'workers/a.ts'), 0, 0)
  await builds('after a file came back from the past')

  project.write('workers/c.ts', 'export const c = 1\n')
  await builds('after a new file')
  project.remove('workers/c.ts')
  await builds('after a file was removed')
  t.notOk(existsSync(compiled('workers/c.js')), 'what was compiled from it is gone')
  t.notOk(existsSync(compiled('workers/c.d.ts')))
  t.ok(existsSync(compiled('workers/a.js')))

  project.write('tsconfig.json', `${readFileSync(join(project.root, 'tsconfig.json'), 'utf8')} `)
  await builds('after a change of the settings')

  rmSync(compiled(''), { recursive: true })
  await builds('without dist/')
  rmSync(compiled('workers/a.js'))
  project.write('workers/b.ts', 'export const b = 2\n')
  await builds('with a compiled file missing')
  t.ok(existsSync(compiled('workers/a.js')), 'it is written again')
})

t.test('an error leaves dist/ as it was', async (t) => {
  const project = await createSmallProject(t)
  t.equal((await project.npm('build')).code, 0)
  project.write('workers/a.ts', 'export const a: number = "two"\n')
  project.remove('workers/b.ts')
  for (const _ of [1, 2]) {
    const { code, stderr } = await project.npm('build')
    t.equal(code, 1)
    t.match(stderr, /workers\/a\.ts/)
  }
  t.match(readFileSync(join(project.root, 'dist/workers/a.js'), 'utf8'), 'a = 1')
  t.ok(existsSync(join(project.root, 'dist/workers/b.js')))
  project.write('workers/a.ts', 'export const a = 3\n')
  t.equal((await project.npm('build')).code, 0)
  t.match(readFileSync(join(project.root, 'dist/workers/a.js'), 'utf8'), 'a = 3')
})

t.test('an unused name is no error; a package that has lost its name is one that is explained', async (t) => {
  const project = await createSmallProject(t)
  project.write('workers/a.ts', 'export function a(unused: string) {\n  const alsoUnused = 1\n}\n')
  t.match(await project.npm('build'), { code: 0, stdout: /Compiled/ })

  const settings = readFileSync(join(project.root, 'package.json'), 'utf8')
  project.write('package.json', settings.replace('"name": "warren"', '"name": "shop"'))
  project.write('workers/a.ts', "import 'warren'\n")
  project.write('workers/b.ts', "export { defineQueue } from 'warren'\n")
  const { code, stderr } = await project.npm('build')
  t.match({ code, stderr }, { code: 1, stderr: /'warren' is found by .* is 'shop'\. Set it back/ })
  t.notMatch(stderr, /TS\d+/, 'and none of the errors that follow from it')
})

t.test('builds at the same time take turns; the lock of one that was killed does not count', async (t) => {
  const project = await createSmallProject(t)
  const runs = await Promise.all([1, 2, 3].map(() => project.npm('build')))
  t.same(
    runs.map((run) => run.code),
    [0, 0, 0],
  )
  t.equal(runs.filter((run) => run.stdout.includes('Compiled')).length, 1, 'one did the work')

  const dead = project.spawn('build')
  await outputOf(dead)
  // 1 is always there, and has never built anything.
  project.write('dist/.build-lock', '1')
  project.write('workers/a.ts', 'export const a = 4\n')
  t.match(await project.npm('build'), { code: 0, stdout: /Compiled/ })
  t.notOk(existsSync(join(project.root, 'dist/.build-lock')))
})
