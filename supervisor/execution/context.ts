import type { Bus } from '../base/bus.ts'
import type { Context } from '../base/definitions.ts'
import type { Logger } from '../base/log.ts'
import type { Attempt } from './attempt.ts'

export interface ContextParts {
  attempt: Omit<Attempt, 'body'>
  worker: string
  /** Milliseconds from now. */
  timeout: number
  signal: AbortSignal
  log: Logger
  bus: Bus
}

/** What a handler gets besides its data; the logger's child is made only if the handler logs. */
export function createContext({ attempt, worker, timeout, signal, log, bus }: ContextParts): Context {
  const { id, requestId } = attempt
  const deadline = performance.now() + timeout
  let child: Logger | undefined
  return {
    id,
    attempt: attempt.attempt,
    attempts: attempt.attempts,
    worker,
    signal,
    get log() {
      child ??= log.child({ worker, id, attempt: attempt.attempt, ...(requestId && { requestId }) })
      return child
    },
    bus,
    remainingMs: () => Math.max(0, deadline - performance.now()),
  }
}
