import type { Message } from '../store/log.ts'
import type { QueueOptions } from './arguments.ts'

// A queue keeps its messages in lanes, one for each of its priorities. Classic queues have `x-max-priority` of them above lane
// 0. Quorum queues have 32, as in RabbitMQ 4.3: lane 0 is that of priority 4, which a message without one has, and lane
// p + 1 that of each other priority p.

const HIGHEST = 31
const DEFAULT = 4

/** A message's priority on its way to queues: 0 where it has none, otherwise one more than it says. */
export function askedPriority(priority: number | undefined): number {
  return priority === undefined ? 0 : priority + 1
}

/** @param asked as `askedPriority` gives it */
export function laneOf({ type, maxPriority }: QueueOptions, asked: number): number {
  if (type === 'classic') return Math.min(Math.max(asked - 1, 0), maxPriority)
  const priority = asked === 0 ? DEFAULT : Math.min(asked - 1, HIGHEST)
  return priority === DEFAULT ? 0 : priority + 1
}

/** The message with the lane that the queue has for it, as its priority. */
export function inLane(message: Message, options: QueueOptions): Message {
  const priority = laneOf(options, message.priority)
  return message.priority === priority ? message : { ...message, priority }
}

/** What lanes are served by, the highest first. */
export const RANKS: Record<QueueOptions['type'], (lane: number) => number> = {
  classic: (lane) => lane,
  quorum: (lane) => (lane === 0 ? DEFAULT : lane - 1),
}
