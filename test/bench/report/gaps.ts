// What a run has not shown: a small one, whose figures mean nothing, is about that.
import type { Result } from '../scenario.ts'
import { judge } from './judge.ts'

/**
 * Figures that are missing, or none: a line for each.
 * @param sides those that took part, the compared one first
 */
export function gapsOf({ scenario, measures }: Result, sides: readonly string[], rounds: number): string[] {
  const shown = new Set(measures.flatMap((measure) => measure.sides.map(({ name }) => name)))
  const silent = sides.filter((name) => !shown.has(name)).map((name) => `${scenario}: ${name} has shown nothing`)
  const missing = measures.flatMap((measure) => {
    const what = `${scenario}, ${measure.name}`
    const targets = judge(measure).targets.filter(({ outcome }) => outcome === 'not measured')
    return [
      ...(measure.sides[0]?.values.length ? [] : [`${what}: no figure of ${sides[0] ?? 'any side'}`]),
      ...targets.map(({ against = 'itself' }) => `${what}: not compared with ${against}`),
      ...measure.sides.flatMap(({ name, values }) => {
        const odd = values.filter((value) => !(Number.isFinite(value) && value > 0))
        if (odd.length > 0) return [`${what}: ${name} has shown ${odd.join(', ')}`]
        if (values.length > 0 && values.length !== rounds) return [`${what}: ${name} has ${values.length} of ${rounds}`]
        return []
      }),
    ]
  })
  return [...silent, ...missing]
}
