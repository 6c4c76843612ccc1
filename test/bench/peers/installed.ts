import { createRequire } from 'node:module'
import { join } from 'node:path'

// Compiled files lie in dist/, the package of the peers in test/bench/.
const require = createRequire(join(process.cwd(), 'test', 'bench', 'package.json'))

/** Whether a package of test/bench/package.json is installed. */
export function isInstalled(name: string): boolean {
  try {
    require.resolve(name)
    return true
  } catch {
    return false
  }
}

/** Imports a package of test/bench/package.json; its types are the caller's. */
export function importInstalled<T>(name: string): T {
  return require(name) as T
}
