import { relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Config, loadConfig } from '../base/config.ts'
import { MAX_TIMER_MS } from '../base/durations.ts'
import { isA, recordOf, START_BOUNDS } from '../base/error-record.ts'
import { EXIT_CONFIG, reasonOf, StartupError } from '../base/errors.ts'
import { createLogger, type Logger } from '../base/log.ts'
import { type ProcessState, QUIET_TOPIC } from '../base/state.ts'
import { followMicrotasks, giveToWork } from '../base/work.ts'
import { watchOwnFiles } from './reload.ts'
import { openReport, type Report } from './report.ts'

/** Milliseconds after the drain's deadline until the process exits, whatever still hangs; pm2 kills it a second later. */
const LAST_RESORT = 4_000
/** Milliseconds for a process that has become quiet, and has nothing left to do, to be ended by whoever asked for that. */
const QUIET_TIMEOUT = 30_000
/** Milliseconds for the daemon to take a state message. */
const TOLD_TIMEOUT = 500

export interface ProcessContext {
  readonly config: Config
  readonly log: Logger
  readonly report: Report
  /** The project's folder: that of `workers/`, `routes/` and `dist/`. */
  readonly root: string
  /** Ends the process for an error that came after the start: logged, reported, drained, exit code 1. */
  fail(error: unknown): void
}

export interface Service {
  /** Takes nothing new, finishes what runs while `deadline` is not aborted, and closes. Called once. */
  stop(deadline: AbortSignal): Promise<void>
  /** Takes nothing new, and resolves when what it has is done. Nothing ends by it. */
  quiet?(): Promise<void>
}

export interface ProcessOptions {
  /** The compiled files that the process imports by a computed name; for live reload. */
  loads?: (root: string) => readonly string[]
}

/**
 * What every process does: read the configuration, start, and stop well. SIGINT, SIGTERM, pm2's `shutdown` message, a
 * lost pm2 daemon and an uncaught exception or rejection all drain within SHUTDOWN_TIMEOUT; a second signal exits at
 * once. What nobody has caught of a request or an attempt at a message is theirs, and ends nothing else.
 *
 * Exit codes: 0 after a drain, 1 after an error, EXIT_CONFIG after one that no restart mends.
 *
 * With WARREN_DEV=1 a change to one of the process's own files drains it as well, so that pm2 starts it with the new
 * code, and a start that fails leaves the process waiting for that change.
 */
export async function main(
  name: string,
  start: (context: ProcessContext) => Promise<Service>,
  { loads = () => [] }: ProcessOptions = {},
): Promise<void> {
  const report = openReport()
  const log = createLogger(name, 'info')
  let service: Service | undefined
  let timeout = 0
  let stopping = false
  /** Told to, which may come before there is a service. */
  let quieted = false
  let becomingQuiet = false

  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => requestStop(signal))
  process.on('message', (message) => {
    if (message === 'shutdown') requestStop('shutdown message')
    if ((message as { topic?: string } | null)?.topic === QUIET_TOPIC) void becomeQuiet()
  })
  // Under a daemon that was killed, a process that lived on would be a second set beside the next daemon's.
  process.on('disconnect', () => void stop('the pm2 daemon is gone', 0))
  // It may have been killed before this line; pm2 sets `pm_id`.
  if (process.env.pm_id !== undefined && !process.connected) return stop('the pm2 daemon is gone', 0)
  followMicrotasks()
  process.on('uncaughtException', (error) => giveToWork(error, 'exception') || fail(error))
  process.on('unhandledRejection', (error) => giveToWork(error, 'rejection') || fail(error))
  // A library's, or the user's, output: where nobody reads it, that is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const reloads = process.env.WARREN_DEV === '1'
  if (reloads) reloadOnChange()

  function reloadOnChange(): void {
    // pm2 runs the entry through a container of its own, which is what argv has.
    const entry = process.env.pm_exec_path ?? (process.argv[1] as string)
    watchOwnFiles(
      [entry, ...loadsOf(process.cwd())],
      (file) => void stop(`${relative(process.cwd(), file)} changed`, 0),
      {
        root: process.cwd(),
        poll: process.env.WATCH_POLL === '1',
      },
    )
  }

  // What is wrong with the sources is the start's to tell.
  function loadsOf(root: string): readonly string[] {
    try {
      return loads(root)
    } catch {
      return []
    }
  }

  // Whoever asked may have gone: pm2 then starts it anew, and it takes messages again.
  async function becomeQuiet(): Promise<void> {
    quieted = true
    if (!service?.quiet || becomingQuiet || stopping) return
    becomingQuiet = true
    log.info('taking no more messages')
    await service.quiet()
    await delay(QUIET_TIMEOUT)
    await stop('quiet, and nobody has ended it', 0)
  }

  function requestStop(cause: string): void {
    if (stopping) {
      log.warn({ cause }, 'told to stop twice: exiting at once')
      process.exit(1)
    }
    void stop(cause, 0)
  }

  function fail(thrown: unknown): void {
    const { fields, reason, isPermanent, exitCode, state } = describe(thrown)
    // `npm start` reads the reason of a fatal line where pm2 has lost the state message.
    log.fatal({ ...fields, reason }, isPermanent ? reason : 'stopping after an error')
    void stop('an error', exitCode, state)
  }

  async function stop(cause: string, exitCode: number, failure?: ProcessState): Promise<void> {
    if (stopping) return
    stopping = true
    log.info({ cause, timeoutMs: timeout }, 'draining')
    // A daemon that does not read its messages must not hold up the drain, nor may anything else for ever.
    const told = report.set(failure ?? { status: 'draining' })
    await Promise.race([told, delay(TOLD_TIMEOUT)])
    setTimeout(() => process.exit(exitCode || 1), Math.min(timeout + LAST_RESORT, MAX_TIMER_MS))
    try {
      // Before the start has ended nothing has been taken, so there is nothing to finish.
      await service?.stop(AbortSignal.timeout(timeout))
      log.info('stopped')
    } catch (error) {
      log.error({ err: recordOf(error) }, 'the drain failed')
      exitCode ||= 1
    }
    process.exit(exitCode)
  }

  try {
    const root = process.cwd()
    const config = loadConfig(root)
    timeout = config.shutdownTimeout
    log.level = config.logLevel
    service = await start({ config, log, report, root, fail })
    if (quieted) void becomeQuiet()
  } catch (error) {
    if (stopping) return
    stopping = !reloads
    const { fields, reason, state, exitCode } = describe(error)
    log.fatal(fields, reason)
    await report.set(state)
    if (reloads) log.info('waiting for a change of the code')
    else process.exit(exitCode)
  }
}

interface Failure {
  readonly reason: string
  readonly isPermanent: boolean
  readonly exitCode: number
  /** Of its log line. */
  readonly fields: Record<string, unknown>
  readonly state: ProcessState
}

/** What ends a process, as it is logged and reported. */
function describe(thrown: unknown): Failure {
  const error = recordOf(thrown, START_BOUNDS)
  const reason = reasonOf(error)
  const { code } = error
  // A mistake of the user's is told in a sentence; a stack would only hide it. A restart does not mend it.
  const isPermanent = isA(error, StartupError)
  return {
    reason,
    isPermanent,
    exitCode: isPermanent ? EXIT_CONFIG : 1,
    fields: isPermanent ? { code } : { err: error },
    state: { status: 'failed', reason, ...(code !== undefined && { code }) },
  }
}
