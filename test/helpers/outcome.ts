import { recordOf, reviveError } from '../../supervisor/base/error-record.ts'
import type { Attempt, Runner } from '../../supervisor/execution/attempt.ts'

/** Runs an attempt: resolves with its result as JSON, or rejects with its error, or with the reason it was stopped for. */
export function outcomeOf(runner: Runner, attempt: Attempt, stop: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    runner.run(attempt, stop, (outcome) => {
      if (outcome.status === 'done') resolve(outcome.result)
      else reject(outcome.status === 'failed' ? reviveError(outcome.error) : (stop.reason ?? new Error('stopped')))
    })
  })
}

/** What an attempt rejects with that its runner has stopped. */
export const STOPPED = Symbol('stopped')

/** A runner whose attempts are promises. */
export function runnerOf(run: (attempt: Attempt, stop: AbortSignal) => Promise<string | undefined>): Runner {
  return {
    run(attempt, stop, done) {
      run(attempt, stop).then(
        (result) => done({ status: 'done', result }),
        (error) =>
          done(
            stop.aborted || error === STOPPED ? { status: 'stopped' } : { status: 'failed', error: recordOf(error) },
          ),
      )
    },
    close: async () => {},
  }
}
