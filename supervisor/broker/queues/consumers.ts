import type { Entry } from '../store/log.ts'
import type { Queue } from './queue.ts'

/** Who gets messages pushed. */
export interface Consumer {
  readonly tag: string
  /** RabbitMQ's `x-priority`: the higher one is served first, as long as it can take more. */
  readonly priority: number
  readonly exclusive: boolean
  /** Whether it has credit and its connection takes more. */
  canTake(): boolean
  deliver(entry: Entry): void
  /** The queue is gone (RabbitMQ, "Consumer Cancel Notification"). */
  cancel(queue: Queue): void
}

export interface ConsumerList {
  readonly size: number
  readonly hasExclusive: boolean
  add(consumer: Consumer): void
  remove(consumer: Consumer): void
  /** Whose turn it is: round robin among the highest priority that can take a message. */
  next(): Consumer | undefined
  all(): Consumer[]
}

/** @param singleActive all but one wait until that one is gone */
export function consumerList(singleActive: boolean): ConsumerList {
  /** Highest priority first. */
  let groups: { priority: number; members: Consumer[]; cursor: number }[] = []
  let active: Consumer | undefined

  const all = () => groups.flatMap(({ members }) => members)

  return {
    get size() {
      return groups.reduce((sum, { members }) => sum + members.length, 0)
    },
    get hasExclusive() {
      return all().some(({ exclusive }) => exclusive)
    },
    all,

    add(consumer) {
      const group = groups.find(({ priority }) => priority === consumer.priority)
      if (group) group.members.push(consumer)
      else {
        groups.push({ priority: consumer.priority, members: [consumer], cursor: 0 })
        groups.sort((a, b) => b.priority - a.priority)
      }
      if (singleActive) active ??= consumer
    },

    remove(consumer) {
      for (const group of groups) {
        const index = group.members.indexOf(consumer)
        if (index < 0) continue
        group.members.splice(index, 1)
        if (index < group.cursor) group.cursor--
      }
      groups = groups.filter(({ members }) => members.length > 0)
      if (active === consumer) active = groups[0]?.members[0]
    },

    next() {
      if (singleActive) return active?.canTake() ? active : undefined
      for (const group of groups) {
        const { members } = group
        for (let step = 0; step < members.length; step++) {
          const index = (group.cursor + step) % members.length
          const consumer = members[index] as Consumer
          if (!consumer.canTake()) continue
          group.cursor = (index + 1) % members.length
          return consumer
        }
      }
      return undefined
    },
  }
}
