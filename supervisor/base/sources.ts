import { existsSync, readdirSync } from 'node:fs'
import { join, parse } from 'node:path'
import { DiscoveryError } from './errors.ts'
import { isName, NAME_FORMAT } from './names.ts'

/** A source file directly in `workers/` or `routes/`. */
export interface SourceFile {
  /** The file's name without its ending. */
  readonly name: string
  /** Relative to the project's folder, for messages: `workers/history.ts`. */
  readonly file: string
  /** Absolute path of what tsc makes of it. */
  readonly compiled: string
}

/** Apps of Warren's own, and the word by which pm2 means every app. */
const RESERVED = ['front-door', 'compiler', 'broker', 'autoscaler', 'all']

const SOURCE = /\.[cm]?ts$/
const DECLARATION = /\.d\.[cm]?ts$/

/** @throws DiscoveryError where a folder is no project's: nothing must be made there */
export function expectProject(root: string): void {
  if (existsSync(join(root, 'workers')) || existsSync(join(root, 'routes'))) return
  throw new DiscoveryError(
    `Expected a folder workers/ or routes/ in ${root}, found neither. Run this in the project's folder.`,
  )
}

/**
 * The source files directly in a folder of the project, sorted by name. No such folder: none.
 * @throws DiscoveryError for an unusable name, or two files of one name
 */
export function listSources(root: string, folder: 'workers' | 'routes'): SourceFile[] {
  let entries: string[]
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true }).flatMap((e) => (e.isFile() ? [e.name] : []))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const sources = entries
    .filter((entry) => SOURCE.test(entry) && !DECLARATION.test(entry))
    .sort()
    .map((entry) => {
      const { name, ext } = parse(entry)
      if (!isName(name)) {
        throw new DiscoveryError(
          `${folder}/${entry}: expected a name of ${NAME_FORMAT}; found '${name}'. Rename the file.`,
        )
      }
      // pm2 takes a number for an id.
      if (folder === 'workers' && (RESERVED.includes(name.toLowerCase()) || /^\d+$/.test(name))) {
        throw new DiscoveryError(
          `${folder}/${entry}: expected a name that is not a number and none of ${RESERVED.join(', ')}. Rename the file.`,
        )
      }
      return {
        name,
        file: `${folder}/${entry}`,
        compiled: join(root, 'dist', folder, `${name}${ext.replace('ts', 'js')}`),
      }
    })
  refuseTwins(sources)
  return sources
}

// Names that differ in their case only are one file on some disks, and one pm2 app to a hasty reader.
function refuseTwins(sources: readonly SourceFile[]): void {
  const seen = new Map<string, SourceFile>()
  for (const source of sources) {
    const twin = seen.get(source.name.toLowerCase())
    if (twin) {
      throw new DiscoveryError(`${twin.file} and ${source.file}: expected one file of a name, found two. Rename one.`)
    }
    seen.set(source.name.toLowerCase(), source)
  }
}
