import type { LengthLimits } from './limits.ts'
import type { Queue, QueueEvents, QueueTools } from './queue.ts'

/** So many are dropped at once, and with each step. */
const AT_ONCE = 500

/**
 * Makes what drops, from a queue's head, what is over its limits: at once, or much of it in slices.
 * @param onEnd called when the last slice is done
 */
export function dropping(
  queue: Queue,
  limits: LengthLimits,
  events: QueueEvents,
  { slices }: QueueTools,
  onEnd: () => void,
): () => void {
  let isDropping = false

  /** How many it has dropped. */
  function drop(): number {
    const dropped = limits.takeExcess(AT_ONCE)
    for (const entry of dropped) events.deadLetter(queue, entry, 'maxlen')
    return dropped.length
  }

  function* dropRest(): Generator<void> {
    while (queue.isOpen() && drop() === AT_ONCE) yield
  }

  function ended(): void {
    isDropping = false
    onEnd()
  }

  return function dropExcess() {
    if (isDropping || drop() < AT_ONCE) return
    isDropping = true
    isDropping = !slices.run(queue, dropRest(), ended)
  }
}
