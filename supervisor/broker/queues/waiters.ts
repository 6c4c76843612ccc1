/** Those who wait for something to end. */
export class Waiters {
  #all: (() => void)[] = []

  wait(): Promise<void> {
    return new Promise((resolve) => this.#all.push(resolve))
  }

  letGo(): void {
    const all = this.#all
    this.#all = []
    for (const resolve of all) resolve()
  }
}
