import { BrokerUnavailableError, reasonOf, TopologyError } from '../base/errors.ts'
import { declare } from './declare.ts'
import type { Denials } from './denials.ts'
import { codeOf, deniedPermission } from './explain.ts'
import type { Link } from './link.ts'
import type { Declaration } from './topology.ts'

export interface Declarations {
  /** Resolves when the topology of something has been declared on the present connection: once for each. */
  ensure(what: string, topology: () => Declaration[]): Promise<void>
  /** Somebody has deleted it: the next `ensure` declares it again. */
  forget(what: string): void
  /** A new connection: nothing is known to be there. */
  forgetAll(): void
}

/** @param link the present connection; throws while there is none */
export function createDeclarations(link: () => Link, denials: Denials): Declarations {
  const declared = new Map<string, Promise<void>>()

  function declareOnce(what: string, topology: () => Declaration[]): Promise<void> {
    const current = link()
    const known = declared.get(what)
    if (known) return known
    const declaring = declare(current, topology()).catch(function forget(error: unknown) {
      declared.delete(what)
      if (current.lost.aborted) throw new BrokerUnavailableError(reasonOf(current.lost.reason), { cause: error })
      if (deniedPermission(error)) throw denials.note(what, error, () => declareOnce(what, topology))
      throw codeOf(error) ? new TopologyError(what, reasonOf(error), { cause: error }) : error
    })
    declared.set(what, declaring)
    return declaring
  }

  return {
    async ensure(what, topology) {
      denials.check(what)
      return declareOnce(what, topology)
    },
    forget: (what) => void declared.delete(what),
    forgetAll: () => declared.clear(),
  }
}
