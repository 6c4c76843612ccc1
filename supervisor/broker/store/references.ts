import type { Bodies } from './bodies.ts'
import type { Batch } from './commit.ts'
import type { SharedBody } from './entry.ts'

/** A lane's references to shared bodies, as far as no commit has given them up. */
export class References {
  readonly #counts = new Map<SharedBody, number>()
  #released: SharedBody[] = []

  add(body: SharedBody): void {
    this.#counts.set(body, (this.#counts.get(body) ?? 0) + 1)
  }

  /** Has the next commit give one up. */
  release(body: SharedBody): void {
    this.#released.push(body)
  }

  collect(bodies: Bodies, batch: Batch): void {
    for (const body of this.#released) {
      const left = (this.#counts.get(body) ?? 0) - 1
      if (left > 0) this.#counts.set(body, left)
      else this.#counts.delete(body)
      bodies.release(body, batch)
    }
    this.#released = []
  }

  /** Gives up all of them. */
  discard(bodies: Bodies, batch: Batch): void {
    for (const [body, times] of this.#counts) for (let i = 0; i < times; i++) bodies.release(body, batch)
    this.#counts.clear()
    this.#released = []
  }
}
