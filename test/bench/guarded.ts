import type { Scenario, Side } from './scenario.ts'

export interface Guard {
  /** Milliseconds that its start may take, and a sample. */
  readonly limit: number
  /** Ends it by its rejection. */
  readonly interrupted: Promise<never>
  /** Told which sides take part. */
  onSides(names: readonly string[]): void
}

/** A scenario that fails instead of waiting for ever, and that can be interrupted. */
export function guarded(scenario: Scenario, { limit, interrupted, onSides }: Guard): Scenario {
  async function within<T>(what: string, action: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${what} took longer than ${limit / 1_000} s`)), limit)
    })
    try {
      return await Promise.race([action, late, interrupted])
    } finally {
      clearTimeout(timer)
    }
  }

  function guardedSide(side: Side): Side {
    const { name } = side
    return {
      name,
      sample: () => within(`a sample of ${name}`, side.sample()),
      warmUp: () => within(`the warm-up of ${name}`, side.warmUp ? side.warmUp() : side.sample()),
    }
  }

  return {
    ...scenario,
    async open(services, t) {
      const sides = await within('its start', scenario.open(services, t))
      onSides(sides.map(({ name }) => name))
      return sides.map(guardedSide)
    },
  }
}
