// The order of a run: several files at once, then those that want to be alone, then once more what has failed.
import type { TestFile } from './selection.ts'
import type { Result } from './test-file.ts'

/** As many files may fail and then pass, each alone: more are a failure, whatever the second run said. */
export const MOST_FLAKY = 2

export interface Outcome {
  /** The result that counts, one for each file. */
  readonly results: readonly Result[]
  /** The first results of files that failed and then passed. */
  readonly flaky: readonly Result[]
}

export interface Schedule {
  /** How many files run at once. */
  jobs: number
  runFile: (file: TestFile) => Promise<Result>
  /** Told of each result, the second ones included. */
  onResult: (result: Result, run: 'first' | 'again') => void
  /** Once it is aborted nothing more is begun. */
  stop: AbortSignal
}

/** Runs files in their order, and what fails once more, alone, unless it counts messages. */
export async function runAll(files: readonly TestFile[], schedule: Schedule): Promise<Outcome> {
  const { jobs, runFile, onResult, stop } = schedule
  const results = new Map<TestFile, Result>()

  async function runNext(queue: TestFile[]): Promise<void> {
    for (let file = queue.shift(); file && !stop.aborted; file = queue.shift()) {
      const result = await runFile(file)
      results.set(file, result)
      onResult(result, 'first')
    }
  }

  const together = files.filter(({ isAlone }) => !isAlone)
  await Promise.all(Array.from({ length: jobs }, () => runNext(together)))
  await runNext(files.filter(({ isAlone }) => isAlone))

  const flaky: Result[] = []
  const again = [...results.values()].filter(({ file, failed }) => failed > 0 && !file.countsMessages)
  for (const first of again) {
    if (stop.aborted) break
    const second = await runFile(first.file)
    onResult(second, 'again')
    results.set(first.file, second)
    if (second.failed === 0) flaky.push(first)
  }
  return { results: [...results.values()], flaky }
}

/** What has passed and failed in all; too many flaky files count as one failure each. */
export function total({ results, flaky }: Outcome): { passed: number; failed: number } {
  const sum = (of: 'passed' | 'failed') => results.reduce((all, result) => all + result[of], 0)
  return { passed: sum('passed'), failed: sum('failed') + (flaky.length > MOST_FLAKY ? flaky.length : 0) }
}
