import t from 'tap'
import { loadWorker, loadWorkers } from '../../supervisor/base/discovery.ts'
import { listSources } from '../../supervisor/base/sources.ts'
import { compiledProject } from '../helpers/compiled-project.ts'

const worker = (queue: string) => `
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'
export default defineWorker(defineQueue('${queue}', { data: z.object({}) }), { handler: () => {} })`

t.test('each file directly in workers/ is one worker; folders below and declarations are not', async (t) => {
  const root = compiledProject(t, {
    'workers/b.ts': worker('b'),
    'workers/a.mts': worker('a'),
    'workers/types.d.ts': '',
    'workers/README.md': '',
    'workers/messages/c.ts': 'throw new Error("not a worker")',
  })
  const workers = await loadWorkers(root)
  t.match(workers, [
    { name: 'a', file: 'workers/a.mts', definition: { address: { name: 'a' } } },
    { name: 'b', file: 'workers/b.ts', definition: { address: { name: 'b' } } },
  ])
  t.strictSame(listSources(root, 'routes'), [])
})

t.test('every failure names the file, what was expected and what was found', async (t) => {
  const cases: [string, Record<string, string>, RegExp][] = [
    [
      'no default export',
      { 'workers/a.ts': 'export const a = 1' },
      /^workers\/a\.ts: expected a worker as the default export.*found no default export/,
    ],
    [
      'another default export',
      { 'workers/a.ts': 'export default { handler() {} }' },
      /^workers\/a\.ts: .*found a default export of type object/,
    ],
    ['a syntax error', { 'workers/a.ts': 'export default defineWorker(' }, /^workers\/a\.ts: .*syntax error/],
    [
      'a throw at import',
      { 'workers/a.ts': 'throw new Error("no database")' },
      /^workers\/a\.ts: .*found Error: no database/,
    ],
    ['a missing import', { 'workers/a.ts': 'import "./messages/none.js"' }, /^workers\/a\.ts: .*none\.js/],
    [
      'an unknown option',
      { 'workers/a.ts': worker('a').replace('handler', 'concurrancy: 1, handler') },
      /^workers\/a\.ts: .*unknown option 'concurrancy' \(did you mean 'concurrency'\?\)/s,
    ],
    [
      'names that no routing key has room for',
      {
        [`workers/${'w'.repeat(100)}.ts`]: worker('a')
          .replaceAll('defineQueue', 'defineFanout')
          .replace("'a'", `'${'f'.repeat(99)}'`),
      },
      /^workers\/w+\.ts: expected at most 198 characters .* found 199\. Rename one\.$/,
    ],
    ['an unusable name', { 'workers/a.b.ts': worker('a') }, /^workers\/a\.b\.ts: expected a name of .*found 'a\.b'/],
    [
      'two endings',
      { 'workers/a.ts': worker('a'), 'workers/a.mts': worker('b') },
      /^workers\/a\.mts and workers\/a\.ts: expected one file of a name/,
    ],
    [
      'two cases',
      { 'workers/a.ts': worker('a'), 'workers/A.ts': worker('b') },
      /^workers\/A\.ts and workers\/a\.ts: expected one file/,
    ],
    [
      'one queue',
      { 'workers/a.ts': worker('q'), 'workers/b.ts': worker('q') },
      /^workers\/a\.ts and workers\/b\.ts: expected one worker for queue 'q'/,
    ],
  ]
  for (const [name, files, message] of cases) {
    const root = compiledProject(t, files)
    await t.rejects(loadWorkers(root), { code: 'WARREN_DISCOVERY', message }, name)
  }
})

t.test('a worker of no file', async (t) => {
  const root = compiledProject(t, { 'workers/a.ts': worker('a') })
  await t.rejects(loadWorker(root, 'b'), {
    message: /^workers\/b\.ts: expected a file of this name, found a in workers\/\./,
  })
})
