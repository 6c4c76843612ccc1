import type { Bus } from '../base/bus.ts'
import type { Context } from '../base/definitions.ts'
import type { Logger } from '../base/log.ts'
import type { Attempt } from './attempt.ts'

export interface ContextParts {
  worker: string
  /** Milliseconds that an attempt may take. */
  timeout: number
  log: Logger
  /** The bus of an attempt: its messages carry the same request id. */
  bus: (attempt: Pick<Attempt, 'requestId'>) => Bus
}

/**
 * What a handler gets besides its data. Its signal, its logger and its bus are made when they are first asked for: most
 * handlers want one of them at most, and making them takes longer than handling a small message.
 */
export class HandlerContext implements Context {
  readonly id: string
  readonly attempt: number
  readonly attempts: number
  readonly worker: string
  readonly #requestId: string | undefined
  readonly #parts: ContextParts
  readonly #deadline: number
  #controller: AbortController | undefined
  #log: Logger | undefined
  #bus: Bus | undefined

  constructor(
    { id, attempt, attempts, requestId }: Pick<Attempt, 'id' | 'attempt' | 'attempts' | 'requestId'>,
    parts: ContextParts,
    now: number,
  ) {
    this.id = id
    this.attempt = attempt
    this.attempts = attempts
    this.worker = parts.worker
    this.#requestId = requestId
    this.#parts = parts
    this.#deadline = now + parts.timeout
  }

  /** Aborts a context's signal: not the handler's to do. */
  static abort(context: HandlerContext, reason: unknown): void {
    context.#controller ??= new AbortController()
    context.#controller.abort(reason)
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  get log(): Logger {
    const { id, attempt, worker } = this
    const requestId = this.#requestId
    this.#log ??= this.#parts.log.child({ worker, id, attempt, ...(requestId && { requestId }) })
    return this.#log
  }

  get bus(): Bus {
    this.#bus ??= this.#parts.bus({ requestId: this.#requestId })
    return this.#bus
  }

  // A function that may be taken out of the context, as the other fields may.
  get remainingMs(): () => number {
    const deadline = this.#deadline
    return () => Math.max(0, deadline - performance.now())
  }
}
