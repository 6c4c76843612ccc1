import type { Test } from 'tap'
import { giveToWork } from '../../supervisor/base/work.ts'

/**
 * Gives the next uncaught error to the work that it comes from, as a process of ours does.
 * @returns whether it was taken; otherwise the process would end
 */
export function nextUncaught(t: Test, event: 'uncaughtException' | 'unhandledRejection'): Promise<boolean> {
  const origin = event === 'uncaughtException' ? 'exception' : 'rejection'
  // tap listens as well, and would fail the test.
  const others = process.listeners(event as 'uncaughtException')
  process.removeAllListeners(event)
  t.teardown(() => {
    process.removeAllListeners(event)
    for (const listener of others) process.on(event, listener)
  })
  return new Promise((resolve) => {
    process.on(event, (error) => resolve(giveToWork(error, origin)))
  })
}
