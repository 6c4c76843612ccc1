import { randomUUID } from 'node:crypto'
import { AccessRefusedError, reasonOf } from '../base/errors.ts'
import { deniedPermission } from './explain.ts'
import type { Link } from './link.ts'

/** Milliseconds between two questions whether the broker still refuses. */
const ASK_AGAIN_MS = 5_000

export interface Denials {
  /** What is refused at present, in a sentence; undefined: nothing that is known of. */
  readonly reason: string | undefined
  /** @throws AccessRefusedError if the broker has refused this, and has not allowed it since */
  check(what: string): void
  /**
   * Notes that the broker has refused something.
   * @param ask asks the broker again, and rejects or throws while it refuses or is away; without it, the next send after a while asks
   */
  note(what: string, error: unknown, ask?: () => Promise<unknown>): AccessRefusedError
  /** Stops asking. */
  close(): void
}

interface Denial {
  readonly error: AccessRefusedError
  readonly timer: NodeJS.Timeout
}

/**
 * Remembers what the broker does not permit this process's user, over all its connections. A publish without permission
 * costs the channel, and with it everything that is in flight: it must not happen at each send.
 */
export function createDenials(onChange: () => void, askAgainMs: number = ASK_AGAIN_MS): Denials {
  const denied = new Map<string, Denial>()

  function set(what: string, error: AccessRefusedError, ask: (() => Promise<unknown>) | undefined): void {
    clearTimeout(denied.get(what)?.timer)
    const timer = setTimeout(askAgain, askAgainMs)
    timer.unref()
    denied.set(what, { error, timer })

    async function askAgain(): Promise<void> {
      try {
        // Without a connection the question throws, which in a timer would end the process.
        await ask?.()
      } catch (failure) {
        // Away for now, it has allowed nothing yet.
        if (denied.has(what)) set(what, isDenial(failure) ? refusal(failure) : error, ask)
        return
      }
      clear(what)
    }
  }

  function clear(what: string): void {
    if (denied.delete(what)) onChange()
  }

  return {
    get reason() {
      const [first] = denied.values()
      return first && reasonOf(first.error)
    },
    check(what) {
      const denial = denied.get(what)
      if (denial) throw denial.error
    },
    note(what, cause, ask) {
      const isNew = !denied.has(what)
      const error = refusal(cause)
      set(what, error, ask)
      if (isNew) onChange()
      return error
    },
    close() {
      for (const { timer } of denied.values()) clearTimeout(timer)
      denied.clear()
    },
  }
}

function isDenial(error: unknown): boolean {
  return error instanceof AccessRefusedError || deniedPermission(error) !== undefined
}

function refusal(cause: unknown): AccessRefusedError {
  if (cause instanceof AccessRefusedError) return cause
  return new AccessRefusedError(deniedPermission(cause) ?? reasonOf(cause), { cause })
}

/** What a refused publish is noted under: the broker refuses by exchange. */
export function publishingTo(exchange: string): string {
  return `exchange '${exchange || 'amq.default'}'`
}

/** Notes a publish that was refused, and has cost its link. @param link the present one, or throws */
export function noteDeniedPublish(denials: Denials, cause: unknown, link: () => Link): void {
  const exchange = deniedExchange(cause)
  if (exchange === undefined) return
  // A key that no queue and no binding of the delay network has: nobody gets the question. A fanout's subscribers would.
  const isSilent = exchange === '' || exchange.startsWith('warren.delay.')
  const ask = () => link().withChannel(async (channel) => channel.publish(exchange, randomUUID(), Buffer.alloc(0)))
  denials.note(publishingTo(exchange), cause, isSilent ? async () => ask() : undefined)
}

/** The exchange that a lost connection's error says the user may not publish to. */
export function deniedExchange(error: unknown): string | undefined {
  const exchange = /\bexchange '([^']*)' in vhost/.exec(deniedPermission(error) ?? '')?.[1]
  return exchange === 'amq.default' ? '' : exchange
}
