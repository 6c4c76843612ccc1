// Runs one test file in a process of its own, and reads what it says.
import { run } from '../process.ts'
import type { TestFile } from './selection.ts'

/** How a test file ended. */
export interface Result {
  readonly file: TestFile
  readonly passed: number
  /** 0 only if it ended well and said so. */
  readonly failed: number
  /** Why something was left out, each reason once. */
  readonly skipped: readonly string[]
  readonly seconds: number
  readonly output: string
}

/** Milliseconds until a file that does not end is ended. Tests have limits of their own: this is for what goes by those. */
const LIMIT_MS = 15 * 60_000
/** Seconds for a test without a limit of its own. */
const TEST_LIMIT_S = '300'

/** @param stop ends the file when it is aborted */
export async function runFile(file: TestFile, env: NodeJS.ProcessEnv, stop: AbortSignal): Promise<Result> {
  const began = performance.now()
  const running = run(process.execPath, ['--enable-source-maps', file.path], {
    env: { ...process.env, TAP_TIMEOUT: TEST_LIMIT_S, ...env },
  })
  let why = ''
  function end(reason: string): void {
    why ||= reason
    void running.end()
  }
  const limit = setTimeout(end, LIMIT_MS, `it took longer than ${LIMIT_MS / 60_000} minutes`)
  const onStop = () => end('the run was stopped')
  stop.addEventListener('abort', onStop)
  if (stop.aborted) onStop()
  const { code, signal } = await running.exited
  clearTimeout(limit)
  stop.removeEventListener('abort', onStop)

  const { output } = running
  const said = readSummary(running.stdout)
  const isWell = code === 0 && said !== undefined && why === ''
  if (!isWell) why ||= said ? `it ended with ${signal ?? `code ${code}`}` : 'it ended without a summary'
  const failed = isWell ? 0 : Math.max(said?.fail ?? 0, 1)
  return {
    file,
    passed: said?.pass ?? 0,
    failed,
    skipped: [...new Set([...output.matchAll(/ # SKIP (.+)$/gm)].map(([, reason]) => reason as string))],
    seconds: (performance.now() - began) / 1_000,
    output: failed === 0 || (said?.fail ?? 0) > 0 ? output : `${output}\nnot ok - ${why}\n`,
  }
}

/** tap's closing line: `# { total: 51, pass: 49, fail: 1, skip: 1 }`. */
export function readSummary(output: string): { pass: number; fail: number } | undefined {
  const line = output.match(/^# \{ total: .*\}$/gm)?.at(-1)
  if (line === undefined) return undefined
  const figure = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(line)?.[1] ?? 0)
  return { pass: figure('pass'), fail: figure('fail') }
}

/** The assertions that have failed, innermost first, as tap writes them. */
export function failuresOf(output: string): string[] {
  return (output.match(/^ *not ok .*$/gm) ?? []).map((line) => line.trimEnd().slice(0, 300))
}
