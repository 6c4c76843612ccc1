// tap comes with a TypeScript plugin that our compiler breaks, built into the class that tests use. package.json turns it
// off, but tap applies that only from the second run on. So before the first run after an install, tap is built anew.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import t from 'tap'

if (t.pluginSignature.includes('@tapjs/typescript')) {
  const tap = join(dirname(createRequire(import.meta.url).resolve('tap/package.json')), 'dist', 'esm', 'run.mjs')
  const { status, error } = spawnSync(process.execPath, [tap, 'build'], { stdio: ['ignore', 'inherit', 'inherit'] })
  if (error) throw error
  process.exitCode = status ?? 1
}
