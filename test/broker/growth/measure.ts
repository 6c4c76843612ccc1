import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeFolder } from '../../helpers/tmp.ts'
import type { Footprint } from './footprint.ts'
import { type Driver, startDriver } from './link.ts'
import type { Operation } from './operation.ts'

/** What an operation cost the broker's process. */
export interface Cost {
  readonly n: number
  /** Milliseconds of processor time of its main thread. */
  readonly ms: number
  /** Milliseconds of processor time of its longest turn of the event loop. */
  readonly turn: number
  /** MB by which its memory has grown at most. */
  readonly memory: number
}

/** Milliseconds: below it says more about the machine than about the broker. */
const LEAST = 4

/** The least of several times, of each size in turn, on one broker: the first, which is cold, does not count. */
export async function measureSmall(operation: Operation, times: number): Promise<readonly [Cost, Cost]> {
  const [small] = operation.sizes
  const sizes = [small, 4 * small] as const
  const all: Cost[][] = [[], []]
  await withDriver(async function measureAll(driver) {
    for (let time = 0; time <= times; time++) {
      for (const [index, n] of sizes.entries()) {
        const cost = await measureOnce(driver, operation, n, `t${time}-${n}`)
        if (time > 0) all[index]?.push(cost)
      }
    }
  })
  return all.map(least) as [Cost, Cost]
}

/** One time on a broker of its own, which has done a little of it before: its first turns are those of cold code. */
export async function measureLarge(operation: Operation, n: number): Promise<Cost> {
  let cost: Cost | undefined
  await withDriver(async function measureIt(driver) {
    await measureOnce(driver, operation, Math.min(operation.sizes[0], n), 'small')
    cost = await measureOnce(driver, operation, n, 'large')
  })
  return cost as Cost
}

/** What a broker of its own takes at that size. */
export async function measureFootprint({ measure }: Footprint, n: number): Promise<number> {
  let found = 0
  await withDriver(async function measureIt(driver) {
    found = await measure(driver, n)
  })
  return found
}

/** How many times as long twice as many take, from two sizes. */
export function growthOf([few, many]: readonly [Cost, Cost]): number {
  const doublings = Math.log2(many.n / few.n)
  return (Math.max(many.ms, LEAST) / Math.max(few.ms, LEAST)) ** (1 / doublings)
}

async function measureOnce(driver: Driver, { prepare }: Operation, n: number, id: string): Promise<Cost> {
  const act = await prepare(driver, n, id)
  const { rss } = await driver.broker.report(true)
  await act()
  const { cpu, turn, peak } = await driver.broker.report()
  return { n, ms: cpu, turn, memory: Math.max(0, peak - rss) / 2 ** 20 }
}

function least(costs: readonly Cost[]): Cost {
  const of = (name: 'ms' | 'turn' | 'memory') => Math.min(...costs.map((cost) => cost[name]))
  return { n: costs[0]?.n ?? 0, ms: of('ms'), turn: of('turn'), memory: of('memory') }
}

async function withDriver(use: (driver: Driver) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'warren-growth-'))
  const driver = await startDriver(folder)
  try {
    await use(driver)
  } finally {
    await driver.close()
    removeFolder(folder)
  }
}
