import type { Entry, QueueLog } from '../store/log.ts'
import type { QueueOptions } from './arguments.ts'

/** Puts messages back, one with each step. @param onLimit gets those that have failed too often */
export function* giveBack(
  log: QueueLog,
  { type, deliveryLimit = Number.POSITIVE_INFINITY }: QueueOptions,
  entries: readonly Entry[],
  hasFailed: boolean,
  onLimit: (entry: Entry) => void,
): Generator<void> {
  for (const entry of entries) {
    entry.redelivered = true
    if (type === 'quorum') entry.acquiredCount++
    if (hasFailed) entry.deliveryCount++
    if (entry.deliveryCount > deliveryLimit) onLimit(entry)
    else log.giveBack(entry)
    yield
  }
}
