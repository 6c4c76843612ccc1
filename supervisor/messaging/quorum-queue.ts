import type { Declaration } from './topology.ts'

/** A quorum queue dead-letters at least once only if it refuses what is over its length (RabbitMQ, "At-least-once"). */
export const AT_LEAST_ONCE = { 'x-dead-letter-strategy': 'at-least-once', 'x-overflow': 'reject-publish' }

/** A queue as all of ours that outlive a connection are: replicated, synced before a confirm, counting deliveries. */
export function quorumQueue(name: string, args: Record<string, unknown> = {}): Extract<Declaration, { kind: 'queue' }> {
  return { kind: 'queue', name, options: { durable: true, arguments: { 'x-queue-type': 'quorum', ...args } } }
}
