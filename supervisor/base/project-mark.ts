import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { reasonOf, StartupError } from './errors.ts'

/** A broker keeps the id in a name of at most 255 bytes, behind `warren.project.`. */
const MAX_BYTES = 200

/**
 * The project's id, by which a broker's virtual host belongs to it: `"warren": { "project": "ID" }` of package.json, or else
 * the package's name. After a rename, that entry with the former name keeps it.
 * @throws StartupError where package.json has neither, or one that can't be used
 */
export function projectMark(root: string): string {
  const file = packageOf(root)
  const { name, warren } = read(file)
  const id = isRecord(warren) && warren.project !== undefined ? warren.project : name
  if (typeof id === 'string' && /^[\x21-\x7e]+$/.test(id) && Buffer.byteLength(id) <= MAX_BYTES) return id
  throw new StartupError(
    'WARREN_PROJECT',
    `${file}: expected a \`name\`, or \`"warren": { "project": "…" }\`, of 1 to ${MAX_BYTES} characters without blanks, found ` +
      `${JSON.stringify(id) ?? 'neither'}. It says which project the queues on a broker belong to.`,
  )
}

/** The nearest one, as Node looks for it. */
function packageOf(root: string): string {
  for (let folder = root; ; folder = dirname(folder)) {
    const file = join(folder, 'package.json')
    if (existsSync(file)) return file
    if (folder === dirname(folder)) {
      throw new StartupError(
        'WARREN_PROJECT',
        `Expected a package.json in ${root}, found none. Run this in the project's folder.`,
      )
    }
  }
}

function read(file: string): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isRecord(content)) return content
  } catch (error) {
    throw new StartupError('WARREN_PROJECT', `${file}: expected JSON, found ${reasonOf(error)}.`, { cause: error })
  }
  throw new StartupError('WARREN_PROJECT', `${file}: expected a JSON object, found something else.`)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
