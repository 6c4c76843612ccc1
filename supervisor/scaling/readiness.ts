import { setTimeout as sleep } from 'node:timers/promises'
import { StartupError } from '../base/errors.ts'
import type { ProcessState } from '../base/state.ts'
import { keepCrashOutput } from './crash-output.ts'
import type { Pm2Event } from './pm2.ts'
import { BROKER } from './project.ts'

/** Answers of the broker that no waiting changes: a wrong password, no such vhost, another project's, a queue declared otherwise. */
const PERMANENT = new Set([
  'ACCESS_REFUSED',
  'NOT_ALLOWED',
  'PRECONDITION_FAILED',
  'WARREN_TOPOLOGY',
  'WARREN_OTHER_PROJECT',
])

/**
 * After one failure the others' reasons arrive within moments; the message names them together. Shorter than the
 * delay after which pm2 restarts a process: deleting an app in the middle of that leaves the new process behind.
 */
const GATHER_MS = 200

/** How long pm2 may take to pass on what it has of a process that ended. */
const CAUGHT_UP_MS = 1_000

export interface ReadinessOptions {
  /** Gets one line per reason to wait. */
  print(line: string): void
  /** In dev a process ends with code 0 whenever its code changes. Default: false. */
  exitsAreFine?: boolean
  /** Whether the autoscaler has put an app to sleep. Default: none is asleep. */
  isAsleep?(name: string): boolean
  /** Resolves when everything that pm2 has told so far has come to `onEvent`. Default: it has. */
  caughtUp?(): Promise<void>
}

export interface Readiness {
  onEvent(event: Pm2Event): void
  /**
   * Waits until each app has that many ready instances.
   * @param since in milliseconds since 1970; a process that had started before, and ends, is not one of them. pm2
   * tells of an end through another socket than it answers through, so the end of a process that was removed before
   * can be heard of after its successor was started. Left out: all ran before, and the autoscaler, which is at work
   * meanwhile, may end some that have nothing to do.
   * @throws StartupError as soon as one of them fails, and at the timeout
   */
  until(expected: ReadonlyMap<string, number>, timeoutMs: number, since?: number): Promise<void>
  /** Ends the wait with an error. */
  abort(reason: string): void
}

/**
 * Follows how processes come up. Why one has failed is in its state and in its log. Of a process that ends, pm2 drops the
 * state messages that it has not read by then, but none of its output; the output comes before its exit or after it.
 */
export function trackReadiness({
  print,
  exitsAreFine = false,
  isAsleep = () => false,
  caughtUp = async () => {},
}: ReadinessOptions): Readiness {
  const states = new Map<number, ProcessState & { name: string }>()
  const failures = new Map<string, string>()
  /** By app, the process that ended last. */
  const exits = new Map<string, { id: number; code: number }>()
  const output = keepCrashOutput()
  const printed = new Set<string>()
  let wait: { expected: ReadonlyMap<string, number>; since: number; settle: (error?: StartupError) => void } | undefined
  let gathering: NodeJS.Timeout | undefined

  function onEvent(event: Pm2Event): void {
    if (!wait?.expected.has(event.name)) return
    if (event.kind === 'state') onState(event.id, event.name, event.state)
    else if (event.kind === 'log') output.add(event)
    else if (event.kind === 'exit') {
      if (event.startedAt >= wait.since) onExit(event.id, event.name, event.code)
      else output.forget(event.id)
    }
  }

  function onState(id: number, name: string, state: ProcessState): void {
    states.set(id, { ...state, name })
    if (state.status === 'failed' || (state.status === 'waiting' && isPermanent(state))) {
      failures.set(name, state.reason ?? 'it gave no reason')
      gather()
    } else if (state.status === 'waiting' && state.reason && !printed.has(state.reason)) {
      // All processes wait for the same broker: once is enough.
      printed.add(state.reason)
      print(`waiting: ${state.reason}`)
    }
    if (isComplete()) wait?.settle()
  }

  // Until our broker is up, whoever refuses the others at its port is somebody else, which the broker itself will tell.
  function isPermanent({ code }: ProcessState): boolean {
    const isStarting = wait?.expected.has(BROKER) && missing().includes(BROKER)
    return PERMANENT.has(code ?? '') && !isStarting
  }

  function onExit(id: number, name: string, code: number): void {
    states.delete(id)
    if (code === 0 && (exitsAreFine || isScaled())) {
      if (isComplete()) wait?.settle()
      return
    }
    exits.set(name, { id, code })
    gather()
  }

  function isScaled(): boolean {
    return wait?.since === 0
  }

  function gather(): void {
    gathering ??= setTimeout(conclude, GATHER_MS)
  }

  async function conclude(): Promise<void> {
    const concluded = wait
    if ([...exits.keys()].some((name) => !failures.has(name))) await toldAll()
    if (wait !== concluded) return
    gathering = undefined
    for (const [name, { id, code }] of exits) if (!failures.has(name)) failures.set(name, whyEnded(id, code))
    wait?.settle(new StartupError('WARREN_START', byReason(failures)))
  }

  // A daemon that has gone tells nothing more.
  async function toldAll(): Promise<void> {
    await Promise.race([caughtUp().catch(() => {}), sleep(CAUGHT_UP_MS, undefined, { ref: false })])
  }

  function whyEnded(id: number, code: number): string {
    const errors = output.errorsOf(id)
    return output.reasonOf(id) ?? `it ended with code ${code} before it was ready${errors ? `:\n${errors}` : ''}`
  }

  function missing(): string[] {
    const ready = (name: string) => [...states.values()].filter((s) => s.name === name && s.status === 'ready').length
    const missing = [...(wait?.expected ?? [])].filter(([name, count]) => ready(name) < count).map(([name]) => name)
    return missing.filter((name) => !(isScaled() && isAsleep(name)))
  }

  function isComplete(): boolean {
    return wait !== undefined && failures.size === 0 && exits.size === 0 && missing().length === 0
  }

  function overdue(timeoutMs: number): StartupError {
    const reasons = missing().map((name) => {
      const reason = [...states.values()].find((state) => state.name === name && state.reason)?.reason
      return [name, `not ready after ${timeoutMs / 1000} s${reason ? `, ${reason}` : ''}`] as const
    })
    return new StartupError('WARREN_START', byReason(reasons))
  }

  return {
    onEvent,
    async until(expected, timeoutMs, since = 0) {
      failures.clear()
      exits.clear()
      output.clear()
      let timer: NodeJS.Timeout | undefined
      try {
        await new Promise<void>((resolve, reject) => {
          wait = { expected, since, settle: (error) => (error ? reject(error) : resolve()) }
          timer = setTimeout(() => reject(overdue(timeoutMs)), timeoutMs)
          if (isComplete()) resolve()
        })
      } finally {
        clearTimeout(timer)
        clearTimeout(gathering)
        gathering = undefined
        wait = undefined
      }
    },
    abort(reason) {
      wait?.settle(new StartupError('WARREN_START', reason))
    },
  }
}

/** A line a reason, with the names of all apps that have it. */
function byReason(reasons: Iterable<readonly [name: string, reason: string]>): string {
  const names = new Map<string, string[]>()
  for (const [name, reason] of reasons) names.set(reason, [...(names.get(reason) ?? []), name])
  return [...names].map(([reason, apps]) => `${apps.sort().join(', ')}: ${reason}`).join('\n')
}
