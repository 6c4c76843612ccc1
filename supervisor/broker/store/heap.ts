/** Items by their positions: a binary heap. */
export class Heap<T extends { readonly position: number }> {
  #items: T[] = []

  get length(): number {
    return this.#items.length
  }

  add(item: T): void {
    const items = this.#items
    let at = items.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      const other = items[parent] as T
      if (other.position <= item.position) break
      items[at] = other
      at = parent
    }
    items[at] = item
  }

  /** The one with the lowest position. */
  first(): T | undefined {
    return this.#items[0]
  }

  /** Removes the first. */
  pop(): void {
    const items = this.#items
    const item = items.pop()
    if (!item || items.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= items.length) break
      if (child + 1 < items.length && this.#positionAt(child + 1) < this.#positionAt(child)) child++
      if (item.position <= this.#positionAt(child)) break
      items[at] = items[child] as T
      at = child
    }
    items[at] = item
  }

  /** In any order. */
  all(): readonly T[] {
    return this.#items
  }

  clear(): T[] {
    const all = this.#items
    this.#items = []
    return all
  }

  #positionAt(index: number): number {
    return (this.#items[index] as T).position
  }
}
