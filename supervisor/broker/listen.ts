import { chmodSync, existsSync, mkdtempSync, realpathSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { BROKER_HOST } from '../base/broker-credentials.ts'
import {
  checkPrivate,
  HAS_SOCKETS,
  isShortEnough,
  POINTER_FILE,
  readPointer,
  SOCKET_FILE,
} from '../base/broker-socket.ts'
import { StartupError } from '../base/errors.ts'

/** What the names of folders for sockets elsewhere begin with. */
const ELSEWHERE = 'warren-socket-'

/** Listens on the loopback interface, for any client. @throws StartupError if the port is taken */
export function listenAtPort(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = `Port ${port} is in use: the embedded broker can't listen there. End what uses it, or set BROKER_PORT.`
      reject(error.code === 'EADDRINUSE' ? new StartupError('WARREN_BROKER_PORT', taken) : error)
    })
    server.listen(port, BROKER_HOST, resolve)
  })
}

/**
 * Listens at a socket in the broker's folder, for Warren's own processes; or in a private folder for temporary files,
 * where the path is too long or the file system has no sockets. Only for who has the folder's lock: what an ended
 * broker has left there is replaced.
 */
export async function listenAtSocket(server: Server, folder: string): Promise<void> {
  if (!HAS_SOCKETS) return
  const real = realpathSync(folder)
  keepOthersOut(real)
  const path = join(real, SOCKET_FILE)
  const problem = isShortEnough(path) ? await tryToListen(server, path) : 'its path is too long'
  if (problem === undefined) return forgetPlace(real)
  const elsewhere = join(placeElsewhere(real), SOCKET_FILE)
  const another = isShortEnough(elsewhere) ? await tryToListen(server, elsewhere) : 'its path is too long'
  if (another !== undefined) {
    throw new StartupError(
      'WARREN_BROKER_SOCKET',
      `The embedded broker can't listen at ${path} (${problem}), nor at ${elsewhere} (${another}). Set DATA_DIR to a ` +
        'folder with a shorter path, of a file system that has Unix domain sockets.',
    )
  }
  writeFileSync(join(real, POINTER_FILE), `${elsewhere}\n`, { mode: 0o600 })
}

/** Removes the folder that was made for the socket elsewhere, if there is one. */
export function forgetPlace(folder: string): void {
  const path = HAS_SOCKETS ? readPointer(folder) : undefined
  if (path === undefined) return
  rmSync(join(folder, POINTER_FILE), { force: true })
  if (!isOwn(dirname(path))) return
  rmSync(path, { force: true })
  rmdirSync(dirname(path))
}

/** @returns why it can't */
async function tryToListen(server: Server, path: string): Promise<string | undefined> {
  rmSync(path, { force: true })
  const problem = await new Promise<string | undefined>((resolve) => {
    const fail = ({ code, message }: NodeJS.ErrnoException) => resolve(code ?? message)
    server.once('error', fail)
    server.listen(path, () => {
      server.off('error', fail)
      resolve(undefined)
    })
  })
  if (problem === undefined) chmodSync(path, 0o600)
  return problem
}

// Warren's clients refuse a folder that others may write to. One that somebody made beforehand may be such a one.
function keepOthersOut(folder: string): void {
  const { uid, mode } = statSync(folder)
  if ((mode & 0o022) !== 0 && uid === process.geteuid?.()) chmodSync(folder, mode & 0o755)
}

// That of the broker before, so that many that are killed leave one. A name that nobody can guess, or take beforehand.
function placeElsewhere(folder: string): string {
  const before = readPointer(folder)
  if (before !== undefined && isOwn(dirname(before))) return dirname(before)
  const fits = isShortEnough(join(tmpdir(), `${ELSEWHERE}123456`, SOCKET_FILE))
  return mkdtempSync(join(fits ? tmpdir() : '/tmp', ELSEWHERE))
}

function isOwn(folder: string): boolean {
  try {
    if (!basename(folder).startsWith(ELSEWHERE) || !existsSync(folder)) return false
    checkPrivate(folder, process.geteuid?.() ?? -1)
    return true
  } catch {
    return false
  }
}
