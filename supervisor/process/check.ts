import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { StartupError } from '../base/errors.ts'

const ENTRY = fileURLToPath(new URL('../check-project.js', import.meta.url))

/** Milliseconds that a check may take; it says itself, well before, which file it waits for. */
const TIMEOUT = 60_000

/**
 * Imports every worker and route of the project, in a process of its own: this one stays clean of whatever the user's
 * files do when they are imported.
 * @param env what the project's processes will see
 * @throws StartupError that says all that is wrong
 */
export async function checkProject(root: string, env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(process.execPath, ['--enable-source-maps', ENTRY, '--broker'], {
    cwd: root,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: TIMEOUT,
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.on('error', reject).on('close', (...end) => resolve(end))
  })
  if (code === 0) return
  throw new StartupError(
    'WARREN_CHECK',
    said.trim() || `Importing the workers and routes ended with ${signal ?? `code ${code}`}: a file ends the process.`,
  )
}

/** The same for whoever asks, with all that it prints. @returns the exit code */
export async function showCheck(root: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, ['--enable-source-maps', ENTRY, ...args], { cwd: root, stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve(code ?? 1))
  })
}
