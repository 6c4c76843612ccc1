// Loads at random, and what the policy makes of a series of them.
import fc from 'fast-check'
import type { Scale } from '../../supervisor/base/scale.ts'
import { follow, type Load, type Memory, remember } from '../../supervisor/scaling/policy.ts'

/** The scale of the examples. */
export const SCALE: Scale = { min: 1, max: 4, messagesPerInstance: 100, cooldown: 10_000 }

export interface Look {
  /** Milliseconds since the look before. */
  gap: number
  load: Load
}

export const scales: fc.Arbitrary<Scale> = fc
  .record({
    min: fc.nat(5),
    more: fc.nat(10),
    messagesPerInstance: fc.integer({ min: 1, max: 500 }),
    cooldown: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60_000 })),
  })
  .map(({ min, more, ...rest }) => ({ min, max: Math.max(min + more, 1), ...rest }))

export const counts = fc.oneof(fc.constant(0), fc.nat(50), fc.nat(5_000))
export const known: fc.Arbitrary<Load> = fc.record({ ready: counts, inProgress: fc.nat(100) })
export const loads: fc.Arbitrary<Load> = fc.record({
  ready: counts,
  inProgress: fc.nat(100),
  filled: fc.nat(12),
  isPartial: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
})
export const gaps = fc.oneof(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 30_000 }))

export function series(load: fc.Arbitrary<Load>): fc.Arbitrary<Look[]> {
  return fc.array(fc.record({ gap: gaps, load }), { minLength: 1, maxLength: 60 })
}

/** What the policy says at each look. */
export function run(looks: readonly Look[], scale: Scale, before = scale.min) {
  let memory: Memory = remember(before, 0)
  let at = 0
  return looks.map(({ gap, load }) => {
    at += gap
    const { memory: next, ...verdict } = follow(memory, load, scale, at)
    memory = next
    return { at, load, memory, ...verdict }
  })
}
