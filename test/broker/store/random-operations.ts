import type { Operation } from '../../../supervisor/broker/store/database.ts'

// Around the sizes from which on a value lies in pages of its own, and needs one more of them.
const SIZES = [0, 1, 30, 100, 700, 1_990, 2_000, 2_010, 2_030, 2_050, 4_070, 4_072, 4_073, 8_168, 8_169, 20_000, 70_000]
const KEYS = [1, 2, 7, 12, 13, 33, 200, 1_978]

/** What one transaction writes, of records that earlier ones may have written; some of them more than once. */
export function randomOperations(random: () => number): Operation[] {
  const below = (limit: number) => Math.floor(random() * limit)
  const pick = <T>(items: readonly T[]) => items[below(items.length)] as T
  const count = pick([1, 3, 20, 20, 300])
  const keySize = pick([...KEYS, undefined])
  const mostValue = pick([4, 9, SIZES.length, SIZES.length])
  const removes = pick([0.1, 0.1, 0.5, 0.95])
  const spread = pick([10, 200, 3_000])
  return Array.from({ length: count }, () => {
    const name = below(spread)
    const key = Buffer.alloc(keySize ?? pick(KEYS), `${name}.`)
    if (key.length > 4) key.writeUInt32BE((name * 2_654_435_761) >>> 0)
    const value = random() < removes ? undefined : Buffer.alloc(SIZES[below(mostValue)] as number, name)
    return { key, value }
  })
}
