import { type Exchange, route } from '../routing/exchanges.ts'
import type { Message } from '../store/log.ts'
import type { Publication, Routed } from './publication.ts'
import type { QueueTable } from './queue-table.ts'

interface Places {
  readonly exchanges: ReadonlyMap<string, Exchange>
  readonly queues: QueueTable
  /** Has the body of a message for several queues stored once. */
  share(message: Message): Message
  /** The id of the queue that was made last. */
  readonly lastId: number
  /** Is around each step. */
  during<T>(step: () => T): T
}

/** So many queues get a message in one step: a millisecond or two. */
const AT_ONCE = 100

/** Routes a message, and gives it to the queues that it reaches. @param settled as for `Vhost.publish` */
export function distribute(places: Places, publication: Publication, settled?: (accepted: boolean) => void): Routed {
  const { exchanges, queues } = places
  const { message, routingKeys, headers, isAllowed } = publication
  const target = { exchange: message.exchange, routingKeys, headers }
  const names = route({ exchanges, hasQueue: (name) => queues.has(name) }, target)
  if (isAllowed) for (const name of names) if (!isAllowed(name)) names.delete(name)
  return { reached: names.size, steps: give(places, publication, names, settled) }
}

function* give(
  { queues, share, lastId, during }: Places,
  { message, expiration, onTaken }: Publication,
  names: ReadonlySet<string>,
  settled?: (accepted: boolean) => void,
): Generator<void, boolean> {
  // Settled when all queues have it and not before: whoever publishes it again then loses nothing by a crash in between.
  let waiting = 1
  let accepted = true
  const done = settled && (() => void (--waiting === 0 && settled(accepted)))
  const kept = names.size > 1 ? share(message) : message
  const left = names.values()
  while (during(giveSome)) yield
  done?.()
  return accepted

  /** Returns whether some are left. */
  function giveSome(): boolean {
    for (let count = 0; count < AT_ONCE; count++) {
      const { done, value: name } = left.next()
      if (done) return false
      giveTo(name)
    }
    return true
  }

  function giveTo(name: string): void {
    const queue = queues.get(name)
    // A delivery to one can have ended in the removal of another, and a new one of its name is not meant.
    if (!queue || queue.id > lastId) return
    const isQuorum = queue.options.type === 'quorum'
    // Quorum queues keep every message, whatever its delivery mode.
    const own = isQuorum && !kept.persistent ? { ...kept, persistent: true } : kept
    const onSafe = own.persistent && queue.flags.durable ? done : undefined
    if (onSafe) waiting++
    if (queue.publish(own, expiration, onSafe)) {
      onTaken?.(name)
      return
    }
    accepted = false
    if (onSafe) waiting--
  }
}
