import type { Hono } from 'hono'
import { findTargetHandler } from 'hono/utils/handler'
import { importDefault } from '../base/discovery.ts'
import { DiscoveryError } from '../base/errors.ts'
import type { FrontDoor } from '../base/front-door.ts'
import { listSources, type SourceFile } from '../base/sources.ts'
import { reservedNameOf } from './reserved.ts'

/** A sub-app of the user's, and where it goes. */
export interface Mount {
  readonly path: string
  /** Such as `routes/video.ts`. */
  readonly file: string
  readonly app: Hono<FrontDoor>
}

const INDEX = 'index'

/**
 * Loads each file directly in `routes/` of the project. `routes/index.ts` comes first, with what it mounts itself;
 * every file that it does not mount goes to `/NAME`, so that a new route needs no other edit.
 * @param root the project's folder; the compiled files are in its `dist/routes/`
 * @throws DiscoveryError that names the file
 */
export async function loadRoutes(root: string): Promise<Mount[]> {
  // The index last: it imports the others, and what is wrong with one of them should be told of that one.
  const sources = listSources(root, 'routes').sort((a, b) => Number(a.name === INDEX) - Number(b.name === INDEX))
  const loaded: Mount[] = []
  for (const source of sources) {
    const path = source.name === INDEX ? '/' : `/${source.name}`
    loaded.push({ path, file: source.file, app: await loadApp(source) })
  }
  const index = loaded.find((mount) => mount.path === '/')
  const others = loaded.filter((mount) => mount !== index && !(index && isMounted(mount.app, index.app)))
  const mounts = index ? [index, ...others] : others
  for (const mount of mounts) refuseReservedNames(mount)
  return mounts
}

async function loadApp(source: SourceFile): Promise<Hono<FrontDoor>> {
  const app = await importDefault(source)
  if (isHono(app)) return app
  throw new DiscoveryError(
    `${source.file}: expected a Hono app as the default export, \`export default new Hono<FrontDoor>()…\`; ` +
      `found ${kindOf(app)}.`,
  )
}

// Not instanceof: the project's Hono may be another copy than Warren's.
function isHono(value: unknown): value is Hono<FrontDoor> {
  const app = value as Partial<Hono> | null
  return typeof app === 'object' && app !== null && typeof app.fetch === 'function' && Array.isArray(app.routes)
}

/** Whether the index has every handler of the app; below an error handler of its own, Hono wraps them. */
function isMounted(app: Hono<FrontDoor>, index: Hono<FrontDoor>): boolean {
  const mounted = new Set(index.routes.map((route) => findTargetHandler(route.handler)))
  return app.routes.length > 0 && app.routes.every((route) => mounted.has(findTargetHandler(route.handler)))
}

function refuseReservedNames({ file, path: mountPath, app }: Mount): void {
  for (const route of app.routes) {
    const path = `${mountPath}/${route.path}`.replaceAll(/\/+/g, '/').replace(/(.)\/$/, '$1')
    const name = reservedNameOf(path, route.handler)
    if (name === undefined) continue
    throw new DiscoveryError(
      `${file}: expected a path that leaves Warren's own routes free, found ${route.method} ${path}, which takes ` +
        `/${name}. Choose another path.`,
    )
  }
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'no default export'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return 'an object of another kind'
  return typeof value === 'function' ? 'a function' : `a ${typeof value}`
}
