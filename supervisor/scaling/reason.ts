import type { Scale } from '../base/scale.ts'
import type { Load } from './policy.ts'

/** What a decision about a worker came from. */
export interface Grounds {
  readonly scale: Scale
  readonly load: Load
  /** Instances on all machines together. */
  readonly desired: number
  /** What somebody has pinned it to here, if anybody has. */
  readonly pin: number | undefined
  /** How many machines run the worker. */
  readonly machines: number
  /** This machine's part of what is desired. */
  readonly wanted: number
  /** What of it the machine has room for. */
  readonly target: number
  readonly ceiling: number
}

/** Why a worker gets the instances that it gets on this machine, in words and numbers. */
export function reasonFor({ scale, load, desired, pin, machines, wanted, target, ceiling }: Grounds): string {
  const { min, max, messagesPerInstance, cooldown } = scale
  const messages = load.ready + load.inProgress
  const isPinned = pin !== undefined
  const isLess = !isPinned && messages < (desired - 1) * messagesPerInstance
  return [
    isPinned ? `pinned to ${pin}` : `${messages} messages, ${messagesPerInstance} an instance, from ${min} to ${max}`,
    ...(isLess ? [`it was more within ${cooldown / 1_000} s`] : []),
    ...(!isPinned && wanted !== desired ? [`${wanted} of ${desired} on this one of ${machines} machines`] : []),
    ...(target < wanted ? [`${target} of ${wanted} under the machine's ceiling of ${ceiling}`] : []),
  ].join('; ')
}
