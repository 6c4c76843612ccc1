// Compiles the project to dist/ when a source has changed: `npm run build`, and whoever starts something.
// Plain CommonJS without dependencies, because it has to run before anything is compiled.
'use strict'

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const { basename, dirname, join, relative } = require('node:path')
const { lockFile } = require('./base/lock-file.cjs')

/** The same as in package.json's `engines`. */
const OLDEST_NODE = '20.19'
/** An unused name is the linter's business, and no reason to run nothing. */
const LENIENT = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false']
const FOLDERS = ['supervisor', 'workers', 'routes', 'test']
const SETTINGS = ['tsconfig.json', 'package.json']
const SOURCE = /(?<!\.d)\.(ts|mts|cts)$/
/** Milliseconds that a build takes at most, for those who can't look at its process. */
const BUILD_MS = 120_000
const COMPILED = /\.(?:d\.)?([mc]?)[jt]s(?:\.map)?$/

/** Thrown when the sources don't compile, or can't be; its message says why. */
class BuildError extends Error {
  name = 'BuildError'
}

/**
 * Compiles the project in the folder `root` unless dist/ is up to date. Running processes load from dist/, so it is
 * never emptied: changed files are written, files whose source is gone are removed, and with an error nothing changes.
 * @param {{ force?: boolean, ifMissing?: boolean }} [options] `ifMissing`: an outdated dist/ will do
 * @returns {boolean} whether it compiled
 * @throws {BuildError}
 */
function build(root, { force = false, ifMissing = false } = {}) {
  requireNode()
  const stamp = join(root, 'dist', '.build-stamp')
  if (ifMissing && fs.existsSync(join(root, 'dist', 'supervisor', 'cli.js'))) return false
  if (!force && read(stamp) === fingerprint(root)) return false

  fs.mkdirSync(join(root, 'dist'), { recursive: true })
  const unlock = lock(join(root, 'dist', '.build-lock'))
  try {
    // Whoever held the lock may just have done the work.
    const before = fingerprint(root)
    if (!force && read(stamp) === before) return false
    compile(root)
    // With a compiled file gone but tsc's memory intact, tsc would not write it again.
    if (sources(root).some((file) => !fs.existsSync(join(root, 'dist', compiledName(file))))) {
      fs.rmSync(join(root, 'dist', '.tsbuildinfo'), { force: true })
      compile(root)
    }
    removeOrphans(root)
    // Taken from before the compilation: a file that was saved meanwhile makes the stamp outdated.
    fs.writeFileSync(stamp, before)
    return true
  } finally {
    unlock()
  }
}

function requireNode() {
  const found = process.versions.node
  const [major, minor] = found.split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST_NODE.split('.').map(Number)
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return
  throw new BuildError(`Warren needs Node ${OLDEST_NODE} or newer, found ${found}. Install one: https://nodejs.org`)
}

function compile(root) {
  const tsc = join(dirname(resolveTypescript(root)), 'bin', 'tsc')
  const args = [tsc, '--noEmitOnError', ...LENIENT, '--pretty', String(Boolean(process.stdout.isTTY))]
  const { status, stdout, stderr, error } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  if (error) throw error
  if (status === 0) return
  const said = (stdout + stderr).trim()
  throw new BuildError(nameProblem(root, said) ?? `The sources do not compile:\n${said}`)
}

// The package finds itself by its own name: with another one every import of it is an error, and dozens follow from those.
function nameProblem(root, said) {
  const { name } = JSON.parse(read(join(root, 'package.json')) ?? '{}')
  if (name === 'warren' || !/TS2307: [^\n]*'warren'/.test(said)) return undefined
  return (
    `The sources do not compile: 'warren' is found by the \`name\` in package.json, which is '${name}'. ` +
    'Set it back to \'warren\'; for an id of your own on the broker, add `"warren": { "project": "ID" }`.'
  )
}

function resolveTypescript(root) {
  try {
    return require.resolve('typescript/package.json', { paths: [root, __dirname] })
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error
    throw new BuildError('The TypeScript compiler is not installed, and dist/ is not up to date: run `npm ci`.')
  }
}

/** Every source and setting with its time and size: a deleted, renamed or restored file is a change as well. */
function fingerprint(root) {
  return [...SETTINGS, ...sources(root)]
    .map((file) => {
      const stat = fs.statSync(join(root, file), { throwIfNoEntry: false })
      return stat ? `${file} ${stat.mtimeMs} ${stat.size}\n` : ''
    })
    .join('')
}

function sources(root) {
  return FOLDERS.flatMap((folder) => filesBelow(join(root, folder)))
    .filter((file) => SOURCE.test(file))
    .map((file) => relative(root, file))
    .sort()
}

function removeOrphans(root) {
  const dist = join(root, 'dist')
  for (const file of FOLDERS.flatMap((folder) => filesBelow(join(dist, folder)))) {
    const match = COMPILED.exec(file)
    if (!match) continue
    const source = join(root, relative(dist, file)).replace(COMPILED, `.${match[1]}ts`)
    if (!fs.existsSync(source)) fs.rmSync(file, { force: true })
  }
}

function compiledName(source) {
  return source.replace(/ts$/, 'js')
}

function filesBelow(folder) {
  if (!fs.existsSync(folder)) return []
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path)
    return [path]
  })
}

/** Waits until this process alone holds the lock file. */
function lock(file) {
  const held = lockFile(file, { silenceMs: BUILD_MS })
  while (!held.take()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  return held.release
}

function read(file) {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** In dev pm2 runs this file for each change: what a running `npm run start:dev` does not pick up is said there. */
function hintNewWorkers(root, started) {
  for (const entry of fs.readdirSync(join(root, 'workers'), { withFileTypes: true })) {
    if (!entry.isFile() || !SOURCE.test(entry.name)) continue
    const name = basename(entry.name).replace(SOURCE, '')
    if (!started.includes(name)) console.log(`workers/${entry.name} is new: \`npm run start:dev\` starts it.`)
  }
}

module.exports = { build, BuildError }

// pm2 imports what it runs, so that it is not the main module.
if (require.main === module || process.env.pm_exec_path === __filename) {
  const root = process.cwd()
  try {
    const started = performance.now()
    const args = process.argv.slice(2)
    const built = build(root, { force: args.includes('--force'), ifMissing: args.includes('--if-missing') })
    if (built) console.log(`Compiled in ${((performance.now() - started) / 1000).toFixed(1)} s.`)
    if (process.env.WARREN_STARTED) hintNewWorkers(root, process.env.WARREN_STARTED.split(','))
  } catch (error) {
    console.error(error instanceof BuildError ? error.message : error)
    process.exitCode = 1
  }
}
