import type { Queue, QueueDefinition } from '../queues/queue.ts'

/**
 * The queues of a virtual host by name. Those that a start found are made when somebody asks for them: a queue with its
 * log costs some kilobytes, and most of thousands wait for nothing.
 */
export interface QueueTable {
  readonly size: number
  has(name: string): boolean
  get(name: string): Queue | undefined
  add(queue: Queue): void
  /** Has the queue made by the first get(). */
  addSaved(definition: QueueDefinition): void
  delete(name: string): boolean
  /** Those that were made: no others have consumers, owners or timers. */
  made(): Iterable<Queue>
}

export function queueTable(make: (definition: QueueDefinition) => Queue): QueueTable {
  const made = new Map<string, Queue>()
  const saved = new Map<string, QueueDefinition>()

  return {
    get size() {
      return made.size + saved.size
    },
    has: (name) => made.has(name) || saved.has(name),

    get(name) {
      const queue = made.get(name)
      if (queue) return queue
      const definition = saved.get(name)
      if (!definition) return undefined
      saved.delete(name)
      const fresh = make(definition)
      made.set(name, fresh)
      return fresh
    },

    add: (queue) => void made.set(queue.name, queue),
    addSaved: (definition) => void saved.set(definition.name, definition),
    delete: (name) => made.delete(name) || saved.delete(name),
    made: () => made.values(),
  }
}
