import { AsyncLocalStorage } from 'node:async_hooks'

/** Where an error surfaced that nothing has caught. */
export type UncaughtOrigin = 'exception' | 'rejection'

/** What runs for somebody: a request, or an attempt at a message. */
export interface Work {
  readonly owner: WorkOwner
}

/** Who runs work, and answers for its errors. */
export interface WorkOwner {
  /**
   * Takes an error that comes from the work, and that nothing of its own has caught.
   * @returns false: it has nothing to do with the work any more, so it is the process's
   */
  uncaught(work: never, error: unknown, origin: UncaughtOrigin): boolean
}

/** Everything that a work's code begins belongs to it: its promises, timers and callbacks. */
const current = new AsyncLocalStorage<Work>()

/** Runs a function as a part of the work. */
export function runAs<A extends unknown[], R>(work: Work, run: (...args: A) => R, ...args: A): R {
  return current.run(work, run, ...args)
}

/** The latest error that a microtask has thrown, and the work that it belongs to. */
let ofMicrotask: { readonly error: unknown; readonly work: Work } | undefined

/**
 * Has the process know which work a microtask belongs to. Node runs the handlers of uncaught exceptions in the context of what
 * threw, but for callbacks of `queueMicrotask`: of those it has left the context by then. To be called once in a thread.
 */
export function followMicrotasks(): void {
  const enqueue = globalThis.queueMicrotask
  globalThis.queueMicrotask = function queueMicrotask(callback) {
    const work = current.getStore()
    // What Node refuses, it refuses by its own words.
    if (!work || typeof callback !== 'function') return enqueue(callback)
    enqueue(function runMicrotask() {
      try {
        callback()
      } catch (error) {
        ofMicrotask = { error, work }
        throw error
      }
    })
  }
}

/**
 * Gives an error that nothing has caught to the work that it comes from. To be called in the process's handlers of
 * such errors, which Node runs in the context of what threw.
 * @returns false: it comes from no work that answers for it
 */
export function giveToWork(error: unknown, origin: UncaughtOrigin): boolean {
  const thrown = ofMicrotask
  ofMicrotask = undefined
  const work = current.getStore() ?? (origin === 'exception' && thrown?.error === error ? thrown?.work : undefined)
  return work ? work.owner.uncaught(work as never, error, origin) : false
}
