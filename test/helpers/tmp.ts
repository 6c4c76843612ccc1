import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A test, as far as the helpers need one. */
export interface Teardown {
  teardown(fn: () => unknown): void
}

/** A new temporary folder, removed with all it holds when the test ends. */
export function temporaryFolder(t: Teardown, prefix = 'warren-test-'): string {
  const folder = mkdtempSync(join(tmpdir(), prefix))
  t.teardown(() => removeFolder(folder))
  return folder
}

/** Removes a folder, also while a process that is just ending still writes into it. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}
