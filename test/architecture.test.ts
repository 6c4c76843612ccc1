import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { breaches, importsOf } from './helpers/architecture.ts'
import { forbidden } from './helpers/source-rules.ts'

// Compiled, this file is in dist/test.
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

t.test('the sources keep the dependency rules', async (t) => {
  const files = new Map<string, string>()
  for (const folder of ['supervisor', 'workers', 'routes', 'test'].filter((name) => existsSync(join(root, name)))) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.[cm]?[jt]s$/.test(entry.name)) continue
      const path = join(entry.parentPath, entry.name)
      const name = relative(root, path).split(sep).join('/')
      // The benchmarks have packages of their own.
      if (!name.includes('/node_modules/')) files.set(name, readFileSync(path, 'utf8'))
    }
  }
  t.ok(files.has('supervisor/index.ts'), 'the sources are found')
  t.same(breaches(files), [])
  t.same(forbidden(files), [])
})

t.test('the top level holds what the design says, and no more', async (t) => {
  const files = 'ecosystem.config.cjs compose.yaml package.json package-lock.json README.md CHANGELOG.md LICENSE'
  const configuration = 'tsconfig.json biome.json'
  const folders = 'workers routes supervisor test docs dist data node_modules'
  const allowed = `${files} ${configuration} ${folders}`.split(' ')
  // Pictures and videos: what the README's commands download here.
  const extra = readdirSync(root).filter((name) => !/^\.|\.(mp4|png|jpg)$/.test(name) && !allowed.includes(name))
  t.same(extra, [])
})

t.test('every form of import is seen', async (t) => {
  const source = `
import 'side-effect'
import a, { b } from '../base/a.ts'
import type { C } from '@scope/c/deep'
import {
  d,
  type D,
} from './d.ts'
export * from './e.ts'
export { f } from 'f'
export type { G } from './g.ts'
const h = await import('./h.ts')
type I = import('i').I
const j = require('./j.cjs')
// import k from 'k'
/* import('l') */
export const m = 'from no-import'
`
  const seen = importsOf('supervisor/http/x.ts', source)
  t.same(seen.map(({ target, typeOnly }) => (typeOnly ? `type ${target}` : target)).sort(), [
    'f',
    'side-effect',
    'supervisor/base/a.ts',
    'supervisor/http/d.ts',
    'supervisor/http/e.ts',
    'supervisor/http/h.ts',
    'supervisor/http/j.cjs',
    'type @scope/c',
    'type i',
    'type supervisor/http/g.ts',
  ])
})

t.test('every breach is found', async (t) => {
  const cases: [what: string, files: Record<string, string>, expected: RegExp | undefined][] = [
    ['a part may import base', { 'supervisor/http/a.ts': "import '../base/b.ts'" }, undefined],
    ['a part may import itself', { 'supervisor/http/a.ts': "import './b.ts'" }, undefined],
    ['a part may import the codec', { 'supervisor/http/a.ts': "import '../amqp/b.ts'" }, undefined],
    ['the codec may import base', { 'supervisor/amqp/a.ts': "import '../base/b.ts'" }, undefined],
    ['an entry may import parts', { 'supervisor/worker.ts': "import './messaging/a.ts'" }, undefined],
    ['a link may import amqplib', { 'supervisor/messaging/link.ts': "import 'amqplib'" }, undefined],
    ['a worker may import warren', { 'workers/a.ts': "import 'warren'\nimport './stores/b.ts'" }, undefined],
    [
      'a part imports another',
      { 'supervisor/http/a.ts': "import '../messaging/b.ts'" },
      /^supervisor\/http\/a\.ts imports '\.\.\/messaging\/b\.ts': parts know nothing of each other/,
    ],
    [
      'also as a type',
      { 'supervisor/http/a.ts': "import type { B } from '../messaging/b.ts'" },
      /nothing of each other/,
    ],
    ['base imports a part', { 'supervisor/base/a.ts': "import '../http/b.ts'" }, /base\/ imports no part/],
    ['the codec imports a part', { 'supervisor/amqp/a.ts': "import '../http/b.ts'" }, /amqp\/ imports no part/],
    ['base imports the codec', { 'supervisor/base/a.ts': "import '../amqp/b.ts'" }, /base\/ imports no part/],
    ['a part imports an entry', { 'supervisor/http/a.ts': "import '../worker.ts'" }, /nobody imports an entry/],
    ['an entry imports an entry', { 'supervisor/cli.ts': "import './worker.ts'" }, /nobody imports an entry/],
    ['Warren imports its face', { 'supervisor/http/a.ts': "import '../index.ts'" }, /public face/],
    ['Warren imports itself', { 'supervisor/http/a.ts': "import 'warren'" }, /public face/],
    ['Warren imports a worker', { 'supervisor/http/a.ts': "import '../../workers/b.ts'" }, /knows none of them/],
    ['an unknown folder', { 'supervisor/utils/a.ts': '' }, /supervisor\/utils\/a\.ts is in none of the folders/],
    [
      'amqplib elsewhere',
      { 'supervisor/messaging/a.ts': "import type { Channel } from 'amqplib'" },
      /only supervisor\/messaging\/link\.ts, .* may/,
    ],
    ["amqplib's inside", { 'supervisor/messaging/a.ts': 'model.connection.sendMethod()' }, /no part of amqplib's API/],
    ['piscina elsewhere', { 'supervisor/worker.ts': "import 'piscina'" }, /only supervisor\/execution\/ may/],
    ['pm2 elsewhere', { 'supervisor/cli.ts': "import pm2 from 'pm2'" }, /only supervisor\/scaling\/ may/],
    [
      'pino elsewhere',
      { 'supervisor/base/b.ts': "import type { Logger } from 'pino'" },
      /only supervisor\/base\/log\.ts/,
    ],
    ['a worker reaches inside', { 'workers/a.ts': "import '../supervisor/base/b.ts'" }, /only 'warren'/],
    ['a route imports deep', { 'routes/a.ts': "import 'warren/dist/x.js'" }, /only 'warren'/],
    ['a long file', { 'test/a.ts': 'a\n'.repeat(301) }, /^test\/a\.ts has 301 lines/],
    [
      'a cycle',
      { 'supervisor/base/a.ts': "import './b.ts'", 'supervisor/base/b.ts': "import './a.ts'" },
      /^an import cycle: supervisor\/base\/a\.ts -> supervisor\/base\/b\.ts -> supervisor\/base\/a\.ts$/,
    ],
    [
      'a cycle by type only is none',
      { 'supervisor/base/a.ts': "import './b.ts'", 'supervisor/base/b.ts': "import type { A } from './a.ts'" },
      undefined,
    ],
  ]
  for (const [what, files, expected] of cases) {
    const found = breaches(new Map(Object.entries(files)))
    t.equal(found.length, expected ? 1 : 0, what)
    if (expected) t.match(found[0], expected, what)
  }
})

t.test('timers that nothing guards are found in the broker', async (t) => {
  const of = (code: string, path = 'supervisor/broker/a.ts') => forbidden(new Map([[path, code]]))
  for (const code of ['setTimeout(go, 5)', 'setInterval(go, 5).unref()', 'setImmediate(go)', 'process.nextTick(go)']) {
    t.match(of(code)[0], /^supervisor\/broker\/a\.ts:1 has '.*guard\.ts/, code)
    t.same(of(code, 'supervisor/http/a.ts'), [])
  }
  t.same(of('later(5, onFault, go)\nclearTimeout(timer)'), [])
})

t.test('what the sources must not do is found, and nothing else', async (t) => {
  const of = (code: string, path = 'supervisor/http/a.ts') => forbidden(new Map([[path, code]]))
  for (const code of [
    'const late = Date.now() - began > 5_000',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the source of one
    'const at = `${new Date().getTime()}`',
    'return pins[name]',
    'return known?.[worker.name]',
    'states[one.id] = state',
    'if (name in states) return',
    'const states: Record<string, State> = {}',
    'const found: Readonly<Record<string, number | null>> = {}',
    'log.warn((error as Error).message)',
    'if ((thrown as NodeJS.ErrnoException)?.name) return',
    'fail(String(error))',
    'console.log(line)',
  ]) {
    t.equal(of(code).length, 1, code)
    t.match(of(code)[0], /^supervisor\/http\/a\.ts:1 has '/)
    t.same(of(code, 'test/a.test.ts'), [], 'tests may')
  }
  for (const code of [
    'const took = performance.now() - began',
    'log.warn(reasonOf(error))',
    'return (error as NodeJS.ErrnoException).code',
    'const at = new Date(message.timestamp)',
    'return pins.get(name)',
    'return list[index]',
    'return Object.hasOwn(commands, name) ? commands[name] : undefined',
    "return event['name']",
    "if ('delay' in options) return",
    'for (const name in table) count++',
    'const given: Record<string, unknown> = {}',
    "throw new Error('pins[name] in states, not Date.now()')",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the source of one
    'throw new Error(`${count} in ${place}`)',
    '// pins[name], Date.now()',
    '/* Date.now() */',
  ]) {
    t.same(of(code), [], code)
  }
})
