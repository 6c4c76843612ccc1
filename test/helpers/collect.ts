/** Collects what events bring, for a test to wait for without polling. */
export interface Collector<T> {
  readonly items: readonly T[]
  push(item: T): void
  /** Resolves with all items once there are `count` of them. */
  reach(count: number, timeout?: number): Promise<readonly T[]>
}

export function collect<T>(what: string): Collector<T> {
  const items: T[] = []
  let check: () => void = () => {}

  return {
    items,
    push(item) {
      items.push(item)
      check()
    },
    async reach(count, timeout = 30_000) {
      await new Promise<void>((resolve, reject) => {
        const late = () => reject(new Error(`expected ${count} ${what} within ${timeout} ms, found ${items.length}`))
        const timer = setTimeout(late, timeout)
        check = () => {
          if (items.length < count) return
          clearTimeout(timer)
          check = () => {}
          resolve()
        }
        check()
      })
      return items
    },
  }
}
