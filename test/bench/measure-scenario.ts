import { orderOf } from './order.ts'
import type { MeasureResult, Result, Scenario } from './scenario.ts'
import type { Services } from './services.ts'
import { withTeardown } from './teardown.ts'

const ROUNDS = 5

/** Takes samples of all sides in turn, after one of each that does not count. */
export async function measureScenario(
  scenario: Scenario,
  services: Services,
  { rounds: most = ROUNDS, onProgress }: { rounds?: number; onProgress: (what: string) => void },
): Promise<Result> {
  const rounds = Math.min(most, scenario.rounds ?? most)
  const { name, title, measures } = scenario
  return withTeardown(async function measure(t) {
    onProgress('starting')
    const sides = await scenario.open(services, t)
    const samples = new Map(sides.map((side) => [side, [] as Readonly<Record<string, number>>[]]))
    for (const side of sides) {
      onProgress(`warming up ${side.name}`)
      await (side.warmUp ? side.warmUp() : side.sample())
    }
    for (let round = 0; round < rounds; round++) {
      for (const turn of orderOf(round, sides.length)) {
        const side = sides[turn] as (typeof sides)[number]
        onProgress(`round ${round + 1} of ${rounds}: ${side.name}`)
        samples.get(side)?.push(await side.sample())
      }
    }
    const measured = measures.map((one) => ({
      ...one,
      // A side that has no such figure is left out; the first one is kept, because the others are compared with it.
      sides: sides.flatMap((side, index) => {
        const values = (samples.get(side) ?? []).flatMap((sample) => sample[one.name] ?? [])
        return values.length > 0 || index === 0 ? [{ name: side.name, values }] : []
      }),
    }))
    const isAskedFor = ({ sides }: MeasureResult) =>
      !services.isOneSize || sides.some(({ values }) => values.length > 0)
    return { scenario: name, title, measures: measured.filter(isAskedFor) }
  })
}
