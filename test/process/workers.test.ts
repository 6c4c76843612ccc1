import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { workersOf } from '../../supervisor/process/workers.ts'
import { compiledProject } from '../helpers/compiled-project.ts'

const queueWorker = (queue: string) => `
  import { defineQueue, defineWorker } from 'warren'
  import { z } from 'zod'
  export default defineWorker(defineQueue('${queue}', { data: z.object({}) }), { handler: async () => {} })`

const BROKEN: Record<string, [string, RegExp]> = {
  'b-syntax': ['export default {', /^workers\/b-syntax\.ts: .* a syntax error: /],
  'c-throws': ["throw new Error('no such table')", /^workers\/c-throws\.ts: .* Error: no such table$/],
  'd-missing': ["import './nowhere.js'", /^workers\/d-missing\.ts: expected a file that can be imported/],
  'e-none': ['export const x = 1', /^workers\/e-none\.ts: expected a worker as the default export/],
  'f-exits': ['process.exit(3)', /^workers\/f-exits\.ts: .* one that ends the process \(code 3\)\.$/],
  'g-killed': ["process.kill(process.pid, 'SIGKILL')", /^workers\/g-killed\.ts: .* ends the process \(SIGKILL\)\.$/],
  'h-waits': ['await new Promise(() => {})', /^workers\/h-waits\.ts: .* top-level `await` that is never settled\.$/],
  'j-throws-null': ['throw null', /^workers\/j-throws-null\.ts: .* found null$/],
  'k-late': [
    "setImmediate(() => { throw new Error('late') }); await new Promise((r) => setTimeout(r, 50))",
    /^workers\/k-late\.ts: .* ends the process/,
  ],
  'y-twin': [queueWorker('z'), /^workers\/y-twin\.ts and workers\/z\.ts: expected one worker for queue 'z'/],
}

t.test('a worker that is broken, in whatever way, hides none of the others', async (t) => {
  const files = Object.entries(BROKEN).map(([name, [text]]) => [`workers/${name}.ts`, text] as const)
  const root = compiledProject(t, {
    'workers/a.ts': queueWorker('a'),
    ...Object.fromEntries(files),
    'workers/m.ts': queueWorker('m'),
    'workers/z.ts': queueWorker('z'),
  })
  const workers = workersOf(root)

  const found = await workers.sound()
  t.match(found, [
    { name: 'a', address: { kind: 'queue', name: 'a' }, attempts: 5, concurrency: 10 },
    { name: 'm' },
    { name: 'y-twin' },
  ])
  t.equal(found.length, 3)
  const broken = await workers.broken()
  // The later one of two for a queue is the one too many.
  const expected = Object.entries(BROKEN).map(([name, [, reason]]) => ({
    name: name === 'y-twin' ? 'z' : name,
    reason,
  }))
  t.match(
    broken,
    expected.map(({ name, reason }) => ({ name, file: `workers/${name}.ts`, reason })),
  )
  t.equal(broken.length, expected.length)
  await t.rejects(
    workers(),
    { code: 'WARREN_DISCOVERY', message: /b-syntax\.ts[\s\S]*z\.ts/ },
    'who needs all gets none',
  )
})

t.test('one whose import does not end is given up', async (t) => {
  const root = compiledProject(t, { 'workers/hangs.ts': 'await new Promise(() => setInterval(() => {}, 1000))' })
  const workers = workersOf(root, { timeoutMs: 500 })
  t.same(await workers.sound(), [])
  t.match(await workers.broken(), [{ name: 'hangs', reason: /^workers\/hangs\.ts: .* takes over 500 ms\.$/ }])
})

t.test('it is asked again when a file changes, and only then', async (t) => {
  const root = compiledProject(t, { 'workers/a.ts': queueWorker('a'), 'workers/b.ts': 'nonsense(' })
  const workers = workersOf(root)
  const [first, broken] = await Promise.all([workers.sound(), workers.broken()])
  t.match([first, broken], [[{ name: 'a' }], [{ name: 'b' }]])
  t.equal(await workers.sound(), first, 'the same answer')

  writeFileSync(join(root, 'dist/workers/b.js'), queueWorker('b'))
  t.match(await workers(), [{ name: 'a' }, { name: 'b' }])
  t.same(await workers.broken(), [])
})
