import { createHash } from 'node:crypto'
import { existsSync, type FSWatcher, readFileSync, unwatchFile, watch, watchFile } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { closureOf } from '../base/closure.ts'

/** How long files have to stay as they are before they count as written. */
const SETTLED_MS = 100
const POLL_MS = 300

/**
 * Calls `onChange` once when one of the files that this process loads, starting from `files`, has new contents.
 * To be called before they are imported, so that no change in between goes unnoticed.
 * @param options.poll look at the files every 300 ms instead of waiting for the file system's events, which
 *   don't arrive on WSL2's and other shared folders
 * @returns a function that ends it
 */
export function watchOwnFiles(
  files: readonly string[],
  onChange: (file: string) => void,
  options: { root: string; poll: boolean },
): () => void {
  const hashes = new Map([...closureOf(files, options.root)].map((file) => [file, hashOf(file)]))
  const watchers: FSWatcher[] = []
  let timer: NodeJS.Timeout | undefined

  function settle(): void {
    clearTimeout(timer)
    timer = setTimeout(compare, SETTLED_MS)
  }

  // tsc may write a file again as it was, so a time says little.
  function compare(): void {
    const changed = [...hashes].find(([file, hash]) => hashOf(file) !== hash)
    if (!changed) return
    // A compiler that stopped midway, or a file that was renamed: the next write settles it.
    if (!existsSync(changed[0])) return
    end()
    onChange(changed[0])
  }

  function end(): void {
    clearTimeout(timer)
    for (const watcher of watchers) watcher.close()
    if (options.poll) for (const file of hashes.keys()) unwatchFile(file, settle)
  }

  if (options.poll) {
    for (const file of hashes.keys()) watchFile(file, { interval: POLL_MS }, settle)
  } else {
    for (const folder of new Set([...hashes.keys()].map((file) => dirname(file)))) {
      if (!existsSync(folder)) continue
      const names = new Set([...hashes.keys()].filter((f) => f === join(folder, basename(f))).map((f) => basename(f)))
      const watcher = watch(folder, (_event, name) => {
        if (name === null || names.has(name)) settle()
      })
      // A folder that goes away ends its watcher, not the process.
      watcher.on('error', () => watcher.close())
      watchers.push(watcher)
    }
  }
  return end
}

function hashOf(file: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('base64')
  } catch {
    return undefined
  }
}
