import type { Why } from './policy.ts'
import type { Short } from './turns.ts'

/** What a decision about a worker came from; each part is what decided it. */
export interface Grounds {
  /** Instances on all machines together, and where that number comes from. */
  readonly desired: number
  readonly why: Why
  /** What somebody has pinned it to here, if anybody has. */
  readonly pin: number | undefined
  /** How many machines run the worker. */
  readonly machines: number
  /** This machine's part of what is desired, or the pin. */
  readonly wanted: number
  /** What of it the machine has room for. */
  readonly goal: number
  /** Why that is less. */
  readonly short: Short | undefined
  readonly ceiling: number
}

const SHORT: Readonly<Record<Short, string>> = {
  share: 'its share',
  turn: 'the others have their turn',
  idle: 'it is idle and others wait',
}

/** Why a worker gets the instances that it gets on this machine, in words. */
export function reasonFor({ desired, why, pin, machines, wanted, goal, short, ceiling }: Grounds): string {
  const isPart = pin === undefined && wanted !== desired
  return [
    pin === undefined ? words(why) : `pinned to ${pin}`,
    ...(isPart ? [`${wanted} of ${desired} on this one of ${machines} machines`] : []),
    ...(short ? [`${goal} of ${wanted} under the machine's ceiling of ${ceiling}: ${SHORT[short]}`] : []),
  ].join('; ')
}

function words(why: Why): string {
  if (why.by === 'messages')
    return why.messages === 0 ? 'no messages' : `${why.messages} messages, ${why.per} an instance`
  if (why.by === 'busy') return `${why.instances} busy`
  if (why.by === 'before') return `${why.instances} before, and no certain figures since`
  if (why.by === 'cooldown') return `${why.instances} were needed within the last ${why.cooldown / 1_000} s`
  if (why.by === 'min') return `${words(why.worth.why)}; at least ${why.min}`
  return `${words(why.worth.why)}; at most ${why.max} of ${why.worth.instances}`
}
