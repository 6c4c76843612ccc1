import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { removeFolder, type Teardown } from './tmp.ts'

/**
 * A project's folder with sources and what tsc would have made of them; removed when the test ends. It lies within
 * dist/, so that its files find 'warren' and the dependencies.
 * @param files compiled text by source file: `{ 'workers/a.ts': 'export default …' }`
 */
export function compiledProject(t: Teardown, files: Record<string, string>): string {
  const root = mkdtempSync(join(process.cwd(), 'dist', 'test-project-'))
  t.teardown(() => removeFolder(root))
  for (const [file, text] of Object.entries(files)) {
    write(join(root, file), '// the source')
    write(join(root, 'dist', file.replace(/ts$/, 'js')), text)
  }
  return root
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
