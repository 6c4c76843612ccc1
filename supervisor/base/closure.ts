import { dirname, resolve } from 'node:path'
import { memoByFile } from './file-memo.ts'

/** What compiled JavaScript loads: `from './a.js'`, `import './a.js'`, `import('./a.js')`, `new URL('./a.js', …)`. */
const REFERENCE = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew\s+URL\s*\(\s*)(['"])([^'"\n]+)\1/g

/**
 * The files in dist/ that the given ones load, themselves included, found by following the relative imports and
 * 'warren' in the compiled code. A file that does not exist (yet) is part of it, too.
 */
export function closureOf(files: readonly string[], root: string): Set<string> {
  const found = new Set<string>()
  const open = files.map((file) => resolve(root, file))
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file)) continue
    found.add(file)
    if (!/\.[mc]?js$/.test(file)) continue
    for (const reference of referencesOf(file) ?? []) {
      if (reference === 'warren') open.push(resolve(root, 'dist/supervisor/index.js'))
      else open.push(resolve(dirname(file), reference))
    }
  }
  return found
}

const referencesOf = memoByFile((contents) =>
  [...contents.toString('utf8').matchAll(REFERENCE)].flatMap(([, , reference]) =>
    reference === 'warren' || /^\.\.?\//.test(reference as string) ? (reference as string) : [],
  ),
)
