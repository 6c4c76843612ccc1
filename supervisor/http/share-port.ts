import { createHash } from 'node:crypto'
import { recordOf } from '../base/error-record.ts'

/** The header by which the front doors of one project know each other. */
export const PROJECT_HEADER = 'x-warren-project'

/** Whether several processes can listen on one port: Node has `reusePort` since 23.1. */
export const canSharePort = isAtLeast(process.versions.node, 23, 1)

/** A project's name for its own front doors, which tells others nothing. */
export function projectId(root: string): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 16)
}

/**
 * Whether something else than a front door of this project answers on a port. A port that all listeners agree to share
 * is shared with strangers, too, each getting some of the other's requests: so whoever joins asks first.
 */
export async function heldByOthers(host: string, port: number, project: string): Promise<boolean> {
  const local = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  const url = `http://${local.includes(':') ? `[${local}]` : local}:${port}/healthz`
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) })
    return response.headers.get(PROJECT_HEADER) !== project
  } catch (error) {
    // Nobody listens, or one of ours is just leaving; whoever accepts and stays silent is none of ours.
    return recordOf(error).name === 'TimeoutError'
  }
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [found = 0, foundMinor = 0] = version.split('.').map(Number)
  return found > major || (found === major && foundMinor >= minor)
}
