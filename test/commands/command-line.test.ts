import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { importsOf } from '../helpers/architecture.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { ENV, withoutTap } from '../helpers/process.ts'
import { outputOf } from '../helpers/project.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

t.setTimeout(600_000)

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const CLI = join(ROOT, 'dist/supervisor/cli.js')
const PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string
  engines: { node: string }
}

function node(args: readonly string[], cwd = ROOT) {
  return outputOf(spawn(ENV, [...withoutTap(), process.execPath, ...args], { cwd }))
}

t.test('an older Node gets a sentence, from the build as well', async (t) => {
  const old = join(temporaryFolder(t), 'old.cjs')
  writeFileSync(old, "Object.defineProperty(process.versions, 'node', { value: '18.20.8' })")
  const sentence = `Warren needs Node ${PACKAGE.engines.node.slice(2)} or newer, found 18.20.8.`
  for (const entry of [CLI, join(ROOT, 'supervisor/build.cjs')]) {
    const { code, stdout, stderr } = await node(['-r', old, entry, 'status'])
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, sentence)
    t.equal(stderr.trim().split('\n').length, 1, 'and nothing else')
  }
  const imports = importsOf('supervisor/cli.ts', readFileSync(join(ROOT, 'supervisor/cli.ts'), 'utf8'))
  t.same(
    imports.map(({ specifier }) => specifier),
    ['./command-line.ts'],
    'nothing is loaded before: an older Node could not',
  )
})

t.test('which Warren it is', async (t) => {
  t.match(await node([CLI, '--version']), { code: 0, stdout: `${PACKAGE.version}\n`, stderr: '' })
})

t.test('every command where there is no project says so, and leaves nothing behind', async (t) => {
  const folder = temporaryFolder(t)
  const commands = 'start dev stop status logs check ps scale k8s prune'.split(' ').map((name) => [name])
  for (const command of [...commands, ['dead', 'list']]) {
    const { code, stdout, stderr } = await node([CLI, ...command], folder)
    t.match({ code, stdout }, { code: 1, stdout: '' }, command.join(' '))
    t.match(stderr, `Expected a folder workers/ or routes/ in ${folder}, found neither.`)
  }
  t.same(readdirSync(folder), [])
})

t.test('check warns of a ceiling under what the workers always have', async (t) => {
  const root = compiledProject(t, {
    'workers/fine.ts': `
      import { z } from 'zod'
      import { defineQueue, defineWorker } from 'warren'
      const scale = { min: 2 }
      export default defineWorker(defineQueue('fine', { data: z.object({}) }), { scale, handler() {} })`,
  })
  writeFileSync(join(root, '.env'), 'MAX_INSTANCES=1')
  const warning = /^Warning: MAX_INSTANCES is 1: expected at least 2 /
  t.match(await node([CLI, 'check'], root), { code: 0, stdout: 'workers/fine.ts: queue fine', stderr: warning })
})

t.test('a file whose import never ends is named', async (t) => {
  const root = compiledProject(t, {
    'workers/fine.ts': `
      import { z } from 'zod'
      import { defineQueue, defineWorker } from 'warren'
      export default defineWorker(defineQueue('fine', { data: z.object({}) }), { handler() {} })`,
    'workers/waits.ts': 'await new Promise(() => {})',
    'routes/forever.ts': "import '../workers/waits.js'",
  })
  const expected = /workers\/waits\.ts: expected a file whose import ends, found one that waits for ever/
  t.match(await node([CLI, 'check'], root), { code: 1, stderr: expected })

  writeFileSync(join(root, 'dist/workers/waits.js'), 'setInterval(() => {}, 1000); await new Promise(() => {})')
  const check = new URL('../../supervisor/check-project.js', import.meta.url).pathname
  t.match(await node([check, '--limit-ms', '2000'], root), { code: 1, stderr: expected }, 'also when something runs on')
})
