import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import { closureOf } from '../../supervisor/base/closure.ts'

t.test('it follows what compiled files load, and nothing else', async (t) => {
  const root = t.testdir()
  const files = {
    'dist/workers/a.js': `import './messages/m.js'; export { x } from "../lib/x.mjs"; import { z } from 'zod'; import 'warren'`,
    'dist/workers/messages/m.js': `const n = await import('./n.js'); import '../a.js'`,
    'dist/workers/messages/n.js': `new Piscina({ filename: new URL('../thread.js', import.meta.url) })`,
    'dist/workers/thread.js': '',
    'dist/lib/x.mjs': `import './not-there.js'`,
    'dist/supervisor/index.js': `export * from './base/errors.js'`,
    'dist/supervisor/base/errors.js': '',
    'dist/workers/other.js': '',
  }
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
  const { 'dist/workers/other.js': _, ...reached } = files
  t.same(
    [...closureOf(['dist/workers/a.js'], root)].map((file) => relative(root, file)).sort(),
    [...Object.keys(reached), 'dist/lib/not-there.js'].sort(),
  )
})
