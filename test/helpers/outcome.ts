import { setMaxListeners } from 'node:events'
import { recordOf, reviveError } from '../../supervisor/base/error-record.ts'
import type { Attempt, Runner, Signals } from '../../supervisor/execution/attempt.ts'

/** Never aborted. */
export const never: AbortSignal = new AbortController().signal
// Attempts in threads listen, each for itself.
setMaxListeners(0, never)

/** Runs an attempt: resolves with its result as JSON, or rejects with its error, or with the reason it was stopped for. */
export function outcomeOf(
  runner: Runner,
  attempt: Attempt,
  { stop = never, lost = never }: Partial<Signals> = {},
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    runner.run(attempt, { stop, lost }, (outcome) => {
      if (outcome.status === 'done') resolve(outcome.result)
      else reject(outcome.status === 'failed' ? reviveError(outcome.error) : (stop.reason ?? new Error('stopped')))
    })
  })
}

/** A runner whose attempts are promises. */
export function runnerOf(run: (attempt: Attempt, signals: Signals) => Promise<string | undefined>): Runner {
  return {
    run(attempt, signals, done) {
      run(attempt, signals).then(
        (result) => done({ status: 'done', result }),
        (error) => done(signals.stop.aborted ? { status: 'stopped' } : { status: 'failed', error: recordOf(error) }),
      )
    },
    close: async () => {},
  }
}
