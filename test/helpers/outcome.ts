import type { Attempt, Runner } from '../../supervisor/execution/attempt.ts'

/** Runs an attempt: resolves with its result as JSON, or rejects with its error. */
export function outcomeOf(runner: Runner, attempt: Attempt, stop: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    runner.run(attempt, stop, (how) => (how.ok ? resolve(how.result) : reject(how.error)))
  })
}

/** A runner whose attempts are promises. */
export function runnerOf(run: (attempt: Attempt, stop: AbortSignal) => Promise<string | undefined>): Runner {
  return {
    run(attempt, stop, done) {
      run(attempt, stop).then(
        (result) => done({ ok: true, result }),
        (error) => done({ ok: false, error }),
      )
    },
    close: async () => {},
  }
}
