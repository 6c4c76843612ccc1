import { setMaxListeners } from 'node:events'

/** A connection: two pipes whose ends may learn of its end at different times. */
export class SimLink {
  readonly lost = new AbortController()
  readonly #toBroker: (() => void)[] = []
  readonly #toClient: (() => void)[] = []
  readonly #onBrokerEnd: () => void
  #isClientOpen = true
  #isBrokerOpen = true
  /** Bytes go nowhere, and nobody has noticed. */
  isFrozen = false

  /** @param onBrokerEnd what the broker does when it learns of the end */
  constructor(onBrokerEnd: () => void) {
    this.#onBrokerEnd = onBrokerEnd
    setMaxListeners(0, this.lost.signal)
  }

  get isOver(): boolean {
    return !this.#isClientOpen && !this.#isBrokerOpen
  }
  get isOverAtBroker(): boolean {
    return !this.#isBrokerOpen
  }
  get isClientOpen(): boolean {
    return this.#isClientOpen
  }
  get isIdle(): boolean {
    return this.#toBroker.length + this.#toClient.length === 0
  }

  /** What the broker does when it gets this. */
  toBroker(action: () => void): void {
    if (this.#isClientOpen) this.#toBroker.push(action)
  }
  /** What the worker does when it gets this. */
  toClient(action: () => void): void {
    if (this.#isBrokerOpen && this.#isClientOpen) this.#toClient.push(action)
  }

  /** Lets one thing arrive. @returns whether there was one */
  atBroker(): boolean {
    const action = this.isFrozen || !this.#isBrokerOpen ? undefined : this.#toBroker.shift()
    action?.()
    return action !== undefined
  }
  atClient(): boolean {
    const action = this.isFrozen || !this.#isClientOpen ? undefined : this.#toClient.shift()
    action?.()
    return action !== undefined
  }

  /** The worker learns that it is over. */
  endAtClient(): void {
    if (!this.#isClientOpen) return
    this.#isClientOpen = false
    this.#toClient.length = 0
    this.lost.abort(new Error('the connection is lost'))
  }

  /** The broker learns that it is over. @param all whether what was sent before arrives first */
  endAtBroker(all: boolean): void {
    if (!this.#isBrokerOpen) return
    while (all && this.atBroker()) {}
    this.#isBrokerOpen = false
    this.#toBroker.length = 0
    this.#onBrokerEnd()
  }
}
