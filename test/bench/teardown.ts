import type { Teardown } from '../helpers/tmp.ts'

/**
 * Runs something with what the tests' helpers need to end what they start: they do so however it ends, last in first out,
 * each of them even if another one fails.
 */
export async function withTeardown<T>(action: (t: Teardown) => Promise<T>): Promise<T> {
  const steps: (() => unknown)[] = []
  const [outcome] = await Promise.allSettled([action({ teardown: (step) => void steps.push(step) })])
  const failures: unknown[] = []
  for (const step of steps.reverse()) {
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  }
  if (outcome.status === 'rejected') throw outcome.reason
  if (failures.length > 0) throw failures[0]
  return outcome.value
}
