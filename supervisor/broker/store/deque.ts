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
  /** The item that has so many before it. */
  at(index: number): T | undefined
  /** Puts items in the place of `count` others, in linear time. */
  splice(index: number, count: number, items: readonly T[]): void
  all(): T[]
  clear(): T[]
}

/** @param items which the list takes over */
export function createDeque<T>(items: T[] = []): Deque<T> {
  return new ArrayDeque(items)
}

/** How many places at the start may be empty, whatever the length. */
const MAX_EMPTY = 1_024

// A class, as each lane of each queue has some: closures would take ten times the memory.
class ArrayDeque<T> implements Deque<T> {
  #list: (T | undefined)[]
  #start = 0

  constructor(items: T[]) {
    this.#list = items
  }

  get length(): number {
    return this.#list.length - this.#start
  }

  push(item: T): void {
    this.#list.push(item)
  }

  prepend(items: readonly T[]): void {
    this.#list = [...items, ...this.#list.slice(this.#start)]
    this.#start = 0
  }

  first(): T | undefined {
    return this.#list[this.#start]
  }

  shift(): T | undefined {
    const list = this.#list
    const item = list[this.#start]
    if (this.#start < list.length) list[this.#start++] = undefined
    if (this.#start === list.length) {
      this.#list = []
      this.#start = 0
    } else if (this.#start > MAX_EMPTY && this.#start * 2 > list.length) {
      this.#list = list.slice(this.#start)
      this.#start = 0
    }
    return item
  }

  last(count: number): T[] {
    const list = this.#list
    return list.slice(Math.max(this.#start, list.length - count)) as T[]
  }

  drop(count: number): void {
    const list = this.#list
    list.splice(Math.max(this.#start, list.length - count))
  }

  at(index: number): T | undefined {
    return this.#list[this.#start + index]
  }

  splice(index: number, count: number, items: readonly T[]): void {
    this.#list.splice(this.#start + index, count, ...items)
  }

  all(): T[] {
    return this.#list.slice(this.#start) as T[]
  }

  clear(): T[] {
    const all = this.#list.slice(this.#start) as T[]
    this.#list = []
    this.#start = 0
    return all
  }
}
