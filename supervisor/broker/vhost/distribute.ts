import { type Exchange, route } from '../routing/exchanges.ts'
import type { Message } from '../store/log.ts'
import type { Publication, Published } from './publication.ts'
import type { QueueTable } from './queue-table.ts'

interface Places {
  readonly exchanges: ReadonlyMap<string, Exchange>
  readonly queues: QueueTable
  /** Has the body of a message for several queues stored once. */
  share(message: Message): Message
}

/** Gives a message to the queues that it reaches. @param settled as for `Vhost.publish` */
export function distribute(
  { exchanges, queues, share }: Places,
  publication: Publication,
  settled?: (accepted: boolean) => void,
): Published {
  const { message, routingKeys, headers, expiration, isAllowed, onTaken } = publication
  const target = { exchange: message.exchange, routingKeys, headers }
  const names = route({ exchanges, hasQueue: (name) => queues.has(name) }, target)
  let waiting = 1
  let accepted = true
  const done = settled && (() => void (--waiting === 0 && settled(accepted)))
  if (isAllowed) for (const name of names) if (!isAllowed(name)) names.delete(name)
  const kept = names.size > 1 ? share(message) : message
  for (const name of names) {
    const queue = queues.get(name)
    // A delivery to one can have ended in the removal of another.
    if (!queue) continue
    const isQuorum = queue.options.type === 'quorum'
    // Quorum queues keep every message, whatever its delivery mode.
    const own = isQuorum && !kept.persistent ? { ...kept, persistent: true } : kept
    const onSafe = own.persistent && queue.flags.durable ? done : undefined
    if (onSafe) waiting++
    if (queue.publish(own, expiration, onSafe)) {
      onTaken?.(name)
      continue
    }
    accepted = false
    if (onSafe) waiting--
  }
  done?.()
  return { reached: names.size, accepted }
}
