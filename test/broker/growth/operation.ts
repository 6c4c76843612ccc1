import type { Driver } from './link.ts'

/** Something that a broker does with n of something. */
export interface Operation {
  /** With `n` where the number goes. */
  readonly name: string
  /** The number in a run of the tests, and in a full one. */
  readonly sizes: readonly [small: number, full: number]
  /**
   * Makes ready for it.
   * @param id what names of this time begin with
   * @returns what is measured; it resolves when all of it is done
   */
  prepare(driver: Driver, n: number, id: string): Promise<() => Promise<unknown>>
  /** How many times as long twice as many may take. @default 2.6: in proportion to n, and a margin */
  readonly growth?: number
  /** Why it is not tried with the other tests yet. */
  readonly open?: string
  /** It stands for something that happens before the broker has clients. */
  readonly isStart?: boolean
}
