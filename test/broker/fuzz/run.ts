// `npm run test:fuzz -- [semantic] [frames]`: the named kinds of fuzzing at full length, both without a name.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** What each takes its length from, and its full length. */
const KINDS: readonly (readonly [name: string, variable: string, length: number])[] = [
  ['semantic', 'WARREN_STEPS', 1_000_000],
  ['frames', 'WARREN_FUZZ', 1_000_000],
]

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !KINDS.some(([kind]) => kind === name))
if (unknown.length > 0) {
  console.error(`expected ${KINDS.map(([kind]) => kind).join(' or ')}, found ${unknown.join(' ')}`)
  process.exit(1)
}
for (const [kind, variable, length] of KINDS) {
  if (asked.length > 0 && !asked.includes(kind)) continue
  const env = { ...process.env, [variable]: process.env[variable] ?? String(length) }
  const file = join(import.meta.dirname, `${kind}.test.js`)
  const { status } = spawnSync(process.execPath, ['--enable-source-maps', file], { env, stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
