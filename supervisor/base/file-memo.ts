import { readFileSync, statSync } from 'node:fs'

/**
 * What can be told from a file's contents, told again as long as the file is the same one: Warren's own are part of every
 * app. Undefined for what is no file.
 */
export function memoByFile<T>(tell: (contents: Buffer) => T): (file: string) => T | undefined {
  const known = new Map<string, { state: string; told: T }>()

  return function ofFile(file) {
    const stat = statSync(file, { throwIfNoEntry: false })
    if (!stat?.isFile()) return undefined
    const state = `${stat.ctimeMs} ${stat.size} ${stat.ino}`
    const before = known.get(file)
    if (before?.state === state) return before.told
    const told = tell(readFileSync(file))
    known.set(file, { state, told })
    return told
  }
}
