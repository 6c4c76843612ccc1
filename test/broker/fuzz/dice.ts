import { randomFrom } from '../../helpers/random.ts'

/** A seeded source of choices. */
export interface Dice {
  /** Goes on as if new, from the seed and a number: what was drawn before has no part in what comes. */
  begin(number: number): void
  /** From 0 up to 1. */
  fraction(): number
  /** A whole number from 0 up to but without `end`. */
  below(end: number): number
  /** Both included. */
  between(first: number, last: number): number
  chance(probability: number): boolean
  of<T>(choices: readonly T[]): T
  bytes(length: number): Buffer
  /** One of the actions, each as often as its weight says. */
  weighted<T>(choices: readonly (readonly [weight: number, choice: T])[]): T
}

export function diceFrom(seed: number): Dice {
  let draw = randomFrom(seed)
  const fraction = () => draw()
  const below = (end: number) => Math.floor(fraction() * end)
  return {
    begin(number) {
      draw = randomFrom((Math.imul(seed, 31) + Math.imul(number, 0x9e3779b1)) | 0)
    },
    fraction,
    below,
    between: (first, last) => first + below(last - first + 1),
    chance: (probability) => fraction() < probability,
    of: (choices) => choices[below(choices.length)] as (typeof choices)[number],
    bytes(length) {
      // One draw for many bytes: long bodies would otherwise cost more than all else.
      const bytes = Buffer.alloc(length)
      let state = Math.floor(fraction() * 2 ** 32) | 1
      for (let at = 0; at < length; at++) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
        bytes[at] = state >>> 24
      }
      return bytes
    },
    weighted(choices) {
      let left = fraction() * choices.reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, choice] of choices) {
        left -= weight
        if (left < 0) return choice
      }
      return (choices.at(-1) as (typeof choices)[number])[1]
    },
  }
}
