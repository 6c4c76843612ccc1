// What a run writes: a line for each file as it ends, and at the end what matters, where only the end may be kept.
import { type Outcome, total } from './schedule.ts'
import { failuresOf, type Result } from './test-file.ts'

/** So many failed assertions of a file are shown; its output has all of them. */
const SHOWN = 12

/** A file that has ended: `ok   [ 3/97] broker/crash.test.ts: 120 passed, 3.4 s`. */
export function progressLine(result: Result, done: number, of: number): string {
  const { file, passed, failed, seconds } = result
  const place = `[${String(done).padStart(String(of).length)}/${of}]`
  const counts = failed > 0 ? `${passed} passed, ${failed} failed` : `${passed} passed`
  return `${failed > 0 ? 'FAIL' : 'ok  '} ${place} ${file.name}: ${counts}, ${seconds.toFixed(1)} s`
}

/** What has failed in a file, below its line. */
export function failureLines({ output }: Result): string[] {
  return failuresOf(output)
    .slice(-SHOWN)
    .map((line) => `       ${line.trim()}`)
}

/**
 * The end of a run; its last line is `N passed, N failed`.
 * @param keptIn where a result's output has been written
 */
export function closingLines(outcome: Outcome, keptIn: (result: Result) => string): string[] {
  const { results, flaky } = outcome
  const { passed, failed } = total(outcome)
  const reasons = new Set(results.flatMap(({ skipped }) => skipped))
  return [
    ...[...reasons].map((reason) => `SKIPPED: ${reason}`),
    ...flaky.map((first) => `FLAKY: ${first.file.name} failed once and passed alone: ${keptIn(first)}`),
    ...results.filter((result) => result.failed > 0).map((result) => `FAILED: ${result.file.name}: ${keptIn(result)}`),
    `${passed} passed, ${failed} failed`,
  ]
}
