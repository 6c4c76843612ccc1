/** A list that grows at its end and shrinks at its start, both in constant time. */
export interface Deque<T> {
  readonly length: number
  push(item: T): void
  /** Puts items in front, the first of them first. */
  prepend(items: readonly T[]): void
  first(): T | undefined
  shift(): T | undefined
  /** The last `count` items, oldest first. */
  last(count: number): T[]
  /** Removes the last `count` items. */
  drop(count: number): void
  clear(): T[]
}

export function createDeque<T>(items: T[] = []): Deque<T> {
  let list: (T | undefined)[] = items
  let start = 0

  function shift() {
    const item = list[start]
    if (start < list.length) list[start++] = undefined
    if (start > 1_024 && start * 2 > list.length) {
      list = list.slice(start)
      start = 0
    } else if (start === list.length) {
      list = []
      start = 0
    }
    return item
  }

  return {
    get length() {
      return list.length - start
    },
    push: (item) => void list.push(item),
    prepend(items) {
      list = [...items, ...list.slice(start)]
      start = 0
    },
    first: () => list[start],
    shift,
    last: (count) => list.slice(Math.max(start, list.length - count)) as T[],
    drop: (count) => void list.splice(Math.max(start, list.length - count)),
    clear() {
      const all = list.slice(start) as T[]
      list = []
      start = 0
      return all
    },
  }
}
