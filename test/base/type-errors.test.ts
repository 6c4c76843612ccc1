import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { compiledProject } from '../helpers/compiled-project.ts'

t.test('what the compiler says of a mistyped option, or of a handler of the wrong type', async (t) => {
  const root = compiledProject(t, {})
  const file = join(root, 'mistakes.ts')
  const lines = [
    "import { defineFanout, defineQueue, defineWorker } from 'warren'",
    "import { z } from 'zod'",
    "const queue = defineQueue('q', { data: z.object({ id: z.string() }), result: z.object({ n: z.int() }) })",
    'defineWorker(queue, { handler: () => ({ n: 1 }), attempt: 2 })',
    "defineWorker(queue, { handler: () => ({ n: '1' }) })",
    "defineWorker(defineFanout('f', { data: z.object({}) }), { handler() {}, subscribtion: 'group' })",
  ]
  writeFileSync(file, lines.join('\n'))
  const options = '--noEmit --module nodenext --target es2023 --strict --skipLibCheck --pretty false'.split(' ')
  const { stdout } = spawnSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '--ignoreConfig', ...options, file],
    {
      encoding: 'utf8',
    },
  )
  const said = (line: number) =>
    new RegExp(`mistakes\\.ts\\(${line},\\d+\\): error .*?(?=\\n\\S|$)`, 's').exec(stdout)?.[0] ?? stdout
  t.match(said(4), /'attempt' does not exist in type 'WorkerOptions<.*Did you mean to write 'attempts'\?/s)
  t.match(said(5), /Type 'string' is not assignable to type 'number'/)
  t.match(said(6), /Did you mean to write 'subscription'\?/)
  t.notMatch(stdout, 'overload')
})
