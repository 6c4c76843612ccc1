import type { ServerProperties } from './consumer-timeout.ts'

/** Milliseconds that nothing but refusals may come from an address until another connection is tried. */
const PATIENCE = 2_000
/** How many times longer at each further try: a queue that is full refuses over the next connection, too. */
const GROWTH = 4
const MOST_PATIENCE = 5 * 60_000

export interface Refusals {
  /** Notes that the broker has refused a message; true: time to try another connection. */
  refused(address: string, server: ServerProperties): boolean
  /** Notes that it has taken one. */
  taken(address: string): void
}

/**
 * Notices the channels for which a quorum queue refuses everything although others can send to it. On RabbitMQ before
 * 3.13, a channel whose first message to the queue comes while the node of its leader goes down asks that node for ever,
 * and refuses for as long as it is away (https://github.com/rabbitmq/rabbitmq-server/pull/9241).
 */
export function createRefusals(now: () => number = () => performance.now()): Refusals {
  const since = new Map<string, { at: number; patience: number }>()
  return {
    refused(address, server) {
      const first = since.get(address)
      if (!first) since.set(address, { at: now(), patience: PATIENCE })
      if (!first || now() - first.at < first.patience || !remembersLeaders(server)) return false
      since.set(address, { at: now(), patience: Math.min(first.patience * GROWTH, MOST_PATIENCE) })
      return true
    },
    taken(address) {
      if (since.size > 0) since.delete(address)
    },
  }
}

function remembersLeaders({ product, version }: ServerProperties): boolean {
  const [major = 0, minor = 0] = String(version).split('.').map(Number)
  return product === 'RabbitMQ' && (major < 3 || (major === 3 && minor < 13))
}
