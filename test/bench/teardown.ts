import type { Teardown } from '../helpers/tmp.ts'

/** Runs something with what the tests' helpers need to end what they start: they do so however it ends, last in first out. */
export async function withTeardown<T>(action: (t: Teardown) => Promise<T>): Promise<T> {
  const steps: (() => unknown)[] = []
  try {
    return await action({ teardown: (step) => void steps.push(step) })
  } finally {
    for (const step of steps.reverse()) await step()
  }
}
