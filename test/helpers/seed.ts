// What tsc makes of a project before it has workers of its own: it is the same for every test, and takes most of the time that
// a project's first start takes.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

const DIST = resolve(import.meta.dirname, '../..')
const SEEDS = join(DIST, 'test-seeds')

/**
 * Gives the project in `root`, whose folder has to be as deep as those of others of its kind, a dist/ that only lacks what is
 * written into the project afterwards. The first project of a kind makes it.
 * @param kind what decides which files such a project has
 */
export function seedBuild(root: string, kind: string): void {
  // Of another state of the sources it would be right as well, only slower.
  const stamp = createHash('sha256')
    .update(readFileSync(join(DIST, '.build-stamp')))
    .digest('hex')
    .slice(0, 16)
  const seed = join(SEEDS, `${kind}-${stamp}`)
  if (!existsSync(seed)) makeSeed(root, kind, seed)
  else cpSync(seed, join(root, 'dist'), { recursive: true, preserveTimestamps: true })
}

function makeSeed(root: string, kind: string, seed: string): void {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'supervisor/build.cjs')], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`The project did not compile: ${stderr}`)
  mkdirSync(SEEDS, { recursive: true })
  // Each state of the sources would leave its own.
  for (const name of readdirSync(SEEDS)) {
    const other = join(SEEDS, name)
    if (!other.startsWith(seed) && name.startsWith(`${kind}-`)) rmSync(other, { recursive: true, force: true })
  }
  const copy = mkdtempSync(`${seed}.`)
  cpSync(join(root, 'dist'), copy, { recursive: true, preserveTimestamps: true })
  try {
    renameSync(copy, seed)
  } catch {
    // Another test file was faster.
    rmSync(copy, { recursive: true, force: true })
  }
}
