import type { Logger } from '../base/log.ts'
import type { HandlerContext } from './context.ts'

/** Milliseconds after its attempt's end that a handler may take to heed its signal until it is told of. */
const RUNS_ON_AFTER = 1_000

export interface Late {
  /** An attempt has been ended; its handler goes on until it heeds its signal. */
  began(context: HandlerContext): void
  /** The handler of such an attempt has ended. @param one.began by `performance.now()` */
  ended(one: { readonly id: string; readonly began: number }): void
}

/**
 * Tells of handlers that go on although their attempts have ended. It keeps how many, and no handler: some never settle, and
 * whatever is kept for each of them is kept for good.
 */
export function createLate({ log, timeout }: { log: Logger; timeout: number }): Late {
  let count = 0
  /** It is told again when there are twice as many. */
  let toldAt = 1
  let timer: NodeJS.Timeout | undefined
  let latest: { id: string; attempt: number } | undefined

  function tell(): void {
    timer = undefined
    if (count < toldAt) return
    toldAt = count * 2
    const details = { handlers: count, timeoutMs: timeout, ...latest }
    log.warn(details, 'handlers run on after their attempts have ended: they ignore their signals')
  }

  return {
    began({ id, attempt }) {
      count++
      latest = { id, attempt }
      if (!timer) timer = setTimeout(tell, RUNS_ON_AFTER).unref()
    },
    ended({ id, began }) {
      count--
      const tookMs = Math.round(performance.now() - began)
      log.warn({ id, tookMs, timeoutMs: timeout }, 'a handler ended after its attempt had: its outcome is dropped')
    },
  }
}
