import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How test files find the node that their run shares. */
export interface SharedNode {
  url: string
  /** For `rabbitmqctlAdmin`. */
  environment: NodeJS.ProcessEnv
  /** The process that owns the node. */
  keeper: number
}

/**
 * tap's own process: the parent of every test file, and of the files that run before and after all of them. A test file
 * that is started by another test is told by the variable.
 */
export const RUNNER = Number(process.env.WARREN_TEST_RUNNER ?? process.ppid)

export function readSharedNode(): SharedNode | undefined {
  try {
    return JSON.parse(readFileSync(stateFile(RUNNER), 'utf8')) as SharedNode
  } catch {
    return undefined
  }
}

export function writeSharedNode(runner: number, node: SharedNode): void {
  writeFileSync(stateFile(runner), JSON.stringify(node), { mode: 0o600 })
}

export function forgetSharedNode(runner: number): void {
  rmSync(stateFile(runner), { force: true })
}

// Named after the run: two runs at once must not meet.
function stateFile(runner: number): string {
  return join(tmpdir(), `warren-test-run-${runner}.json`)
}
