// The command line: `npm start` and its kin, or `warren start` where Warren is installed as a package.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { APP_VARIABLE } from './base/app-env.ts'
import { envFileProblems, projectEnv } from './base/app-mark.ts'
import { loadConfig, parseConfig } from './base/config.ts'
import type { DeadLetters } from './base/dead-letters.ts'
import { MAX_TIMER_MS, parseDuration } from './base/durations.ts'
import { recordOf, START_BOUNDS } from './base/error-record.ts'
import { reasonOf, StartupError } from './base/errors.ts'
import type { ProjectWorkers } from './base/fleet.ts'
import { withLock } from './base/lock.ts'
import type { Orphans } from './base/orphans.ts'
import { projectMark } from './base/project-mark.ts'
import { expectProject } from './base/sources.ts'
import { didYouMean } from './base/suggest.ts'
import type { Client } from './messaging/client.ts'

const USAGE = `Usage: warren COMMAND

  start [--timeout 60s|none] [--without-keys]
                                    start everything and wait until it is ready
  dev [--timeout 60s]               the same with live reload
  stop                              stop what start has started, after a drain
  status                            what runs, and how it is
  logs [NAME] [--lines 30] [--nostream]
  check                             import every worker and route, and list what is wrong
  ps [--watch] [--json]             the workers: what waits, what runs on which machine, and why
  scale NAME auto|N                 pin a worker to N instances on this machine, or let it follow its load
  k8s NAME [--image IMAGE]          a worker's Kubernetes Deployment and KEDA ScaledObject
  dead COMMAND                      list, show, redrive or purge dead letters: warren dead help
  prune [NAME] [--yes]              remove queues that no worker file stands for any more
  --version                         which Warren this is`

const root = process.cwd()

// One of the project's own processes may have started this one, and would pass for it.
delete process.env[APP_VARIABLE]

/** Commands that change something: `npm start | head` closes the pipe early, which is no reason to leave it half done. */
const GOING_ON = new Set(['start', 'dev', 'stop', 'scale', 'dead', 'prune'])

/** Commands that read a project's files. The others also reach what still runs of a deleted project. */
const PROJECT_ONLY = new Set(['start', 'dev', 'check', 'ps', 'scale', 'k8s', 'prune'])

// `warren logs | head` ends with `head`. A full disk, like a closed pipe, takes the output and nothing else.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' && !GOING_ON.has(process.argv[2] ?? '')) process.exit(0)
})

const OUTPUT = { print: (line: string) => console.log(line), progress: (line: string) => console.error(line) }

/** Each resolves with the exit code, or with nothing if it goes on. */
const COMMANDS: Record<string, () => Promise<number | undefined>> = {
  start,
  dev,
  stop,
  status,
  logs,
  check,
  ps,
  scale,
  k8s,
  dead,
  prune,
  '--version': async () => version(),
  '-v': async () => version(),
}

try {
  const name = process.argv[2] ?? 'help'
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (PROJECT_ONLY.has(name)) expectProject(root)
  exit(command ? await command() : help(name))
} catch (error) {
  // A mistake of the user's is reported in a sentence; a stack would only hide it. So is what the system refuses (EACCES).
  const record = recordOf(error, START_BOUNDS)
  const isExpected =
    record.kind !== undefined || record.name === 'BuildError' || /^(ERR_PARSE_ARGS|E[A-Z0-9]+$)/.test(record.code ?? '')
  console.error(isExpected ? reasonOf(record) : record.stack || reasonOf(record))
  if (/nothing listens/.test(record.message)) console.error('`npm run status` lists what runs, `npm start` starts it.')
  exit(1)
}

// pm2's client reconnects for ever to a daemon that has ended, so the process would never end by itself.
function exit(code: number | undefined): void {
  if (code !== undefined) process.stdout.write('', () => process.exit(code))
}

async function start(dev = false): Promise<number> {
  const options = { timeout: { type: 'string' }, 'without-keys': { type: 'boolean' } } as const
  const { values } = parseArgs({ args: process.argv.slice(3), options })
  const timeoutMs = values.timeout === 'none' ? MAX_TIMER_MS : parseDuration(values.timeout ?? '60s')
  if (!timeoutMs) {
    throw new StartupError('WARREN_USAGE', `--timeout: expected '60s' or alike, or none; found '${values.timeout}'`)
  }
  // Empty, so that it is somebody's will, and `.env` does not bring them back.
  if (values['without-keys']) process.env.API_KEYS = ''
  if (dev) process.env.WARREN_DEV = '1'
  else delete process.env.WARREN_DEV

  const config = parseConfig(projectEnv(root), root, envFileProblems(root))
  const { checkProject } = await import('./process/check.ts')
  // All mistakes are told at once, and before anything is stopped.
  await checkProject(root, projectEnv(root))
  const { startProject } = await import('./scaling/start.ts')
  const { workersOf } = await import('./process/workers.ts')
  const { openAsleep } = await import('./scaling/notes.ts')
  const { dataDir } = config
  // Meanwhile: importing them takes a while, and they are only for the hint at the end.
  const workers = workersOf(root)
  const summaries = workers().catch(() => [])
  const { changed } = await withLock(
    resolve(root, 'dist/.start-lock'),
    () =>
      startProject({
        root,
        dev,
        timeoutMs,
        config,
        print,
        isAsleep: (name) => openAsleep(dataDir).has(name),
        noteAsleep: (name) => openAsleep(dataDir).add(name),
        canSleep: async () => new Set((await workers()).flatMap(({ name, scale }) => (scale?.min === 0 ? name : []))),
      }),
    () => print('another `warren start` is running: waiting for it to end'),
  )
  const { welcome } = await import('./commands/welcome.ts')
  console.log(welcome(config, { changed, dev, workers: await summaries }))
  return 0
}

function dev(): Promise<number> {
  return start(true)
}

async function stop(): Promise<number> {
  const { stopProject } = await import('./scaling/stop.ts')
  const stopped = await stopProject(root, print)
  if (stopped.length === 0) return nothingRuns()
  console.log('Stopped.')
  return 0
}

async function status(): Promise<number> {
  const { projectStatus } = await import('./scaling/status.ts')
  const running = await projectStatus(root)
  if (running === undefined) return nothingRuns()
  console.log(running)
  return 0
}

function nothingRuns(): number {
  expectProject(root)
  console.log('Nothing is running.')
  return 0
}

async function logs(): Promise<number | undefined> {
  const options = { lines: { type: 'string' }, nostream: { type: 'boolean' } } as const
  const { values, positionals } = parseArgs({ args: process.argv.slice(3), options, allowPositionals: true })
  const { readLogs } = await import('./scaling/logs.ts')
  const { prettyFactory } = await import('pino-pretty')
  const format = prettyFactory({
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
    colorize: process.stdout.isTTY === true,
  })
  const lines = Number(values.lines ?? 30)
  if (!Number.isInteger(lines) || lines < 0) {
    throw new StartupError('WARREN_USAGE', `--lines: expected a number, found '${values.lines}'`)
  }
  const follow = !values.nostream
  const write = (line: string) => void process.stdout.write(format(line) ?? '')
  if (!(await readLogs({ root, name: positionals[0], lines, follow, write }))) return nothingRuns()
  return follow ? undefined : 0
}

/** The workers, for commands that need not know all of them: those that are broken are told beside their output. */
async function workersHere(): Promise<ProjectWorkers['sound']> {
  const { workersOf } = await import('./process/workers.ts')
  const workers = workersOf(root)
  for (const { reason } of await workers.broken()) OUTPUT.progress(reason)
  return workers.sound
}

async function ps(): Promise<number> {
  const { runPs } = await import('./commands/ps.ts')
  const { openFleet } = await import('./messaging/fleet.ts')
  const { embeddedStoreSize } = await import('./broker/store/size.ts')
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort())
  // The autoscalers know nothing of those that are broken.
  await workersHere()
  await runPs(
    process.argv.slice(3),
    openFleet({ urls: loadConfig(root).amqpUrls, name: 'cli' }),
    await orphans(),
    OUTPUT,
    interrupted.signal,
    () => embeddedStoreSize(parseConfig(projectEnv(root), root)),
  )
  return 0
}

async function prune(): Promise<number> {
  const { runPrune } = await import('./commands/prune.ts')
  const { workersOf } = await import('./process/workers.ts')
  await runPrune(process.argv.slice(3), workersOf(root), await orphans(), OUTPUT)
  return 0
}

async function orphans(): Promise<Orphans> {
  const { openOrphans } = await import('./messaging/orphans.ts')
  return openOrphans({ urls: loadConfig(root).amqpUrls, name: 'cli', project: projectMark(root) })
}

async function scale(): Promise<number> {
  const { runScale } = await import('./commands/scale.ts')
  const { writePin } = await import('./scaling/notes.ts')
  const { dataDir } = loadConfig(root)
  await runScale(process.argv.slice(3), await workersHere(), (name, count) => writePin(dataDir, name, count), OUTPUT)
  return 0
}

async function k8s(): Promise<number> {
  const { runK8s } = await import('./commands/k8s.ts')
  const { queuesOf } = await import('./messaging/topology.ts')
  const { shutdownTimeout } = parseConfig(projectEnv(root), root)
  const { name = 'warren' } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as { name?: string }
  await runK8s(process.argv.slice(3), await workersHere(), { name, shutdownTimeout, queuesOf }, OUTPUT)
  return 0
}

async function dead(): Promise<number> {
  const { runDead } = await import('./commands/dead.ts')
  const { openClient } = await import('./messaging/client.ts')
  const { openDeadLetters } = await import('./messaging/dead-letters.ts')
  const { createLogger } = await import('./base/log.ts')
  let client: Client | undefined

  async function open(): Promise<DeadLetters> {
    expectProject(root)
    const { amqpUrls: urls } = loadConfig(root)
    const project = projectMark(root)
    const connecting = openClient({ urls, name: 'cli', project, log: createLogger('cli', 'silent') })
    client = connecting
    // The first state says whether there is a broker; without one, whoever types a command need not wait.
    await new Promise<void>((resolve) => connecting.onState(() => resolve()))
    return openDeadLetters({ urls, name: 'cli', project, workers: await workersHere(), redrive: connecting.redrive })
  }

  try {
    await runDead(process.argv.slice(3), open, OUTPUT)
  } finally {
    await client?.close()
  }
  return 0
}

/** Imports everything of the user's, so that all mistakes are told at once. */
async function check(): Promise<number> {
  parseArgs({ args: process.argv.slice(3), options: {} })
  const { showCheck } = await import('./process/check.ts')
  const code = await showCheck(root, [])
  if (code === 0) await checkOrphans()
  return code
}

/** Tells of orphans, where the broker can be asked. */
async function checkOrphans(): Promise<void> {
  const { orphanTable } = await import('./commands/prune.ts')
  const { workersOf } = await import('./process/workers.ts')
  try {
    const found = await (await orphans()).list(await workersOf(root)())
    if (found.length > 0) console.log(`orphans, which no worker file stands for any more:\n${orphanTable(found)}`)
  } catch (error) {
    console.log(`orphans: not known: ${reasonOf(error)}`)
  }
}

function version(): number {
  const json = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  console.log((JSON.parse(json) as { version: string }).version)
  return 0
}

function print(line: string): void {
  console.log(`  ${line}`)
}

function help(name: string): number {
  if (['help', '--help', '-h'].includes(name)) {
    console.log(USAGE)
    return 0
  }
  console.error(`Expected a command, found '${name}'${didYouMean(name, Object.keys(COMMANDS))}.\n\n${USAGE}`)
  return 1
}
