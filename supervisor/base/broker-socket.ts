import { readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { BROKER_HOST, brokerUrl, CREDENTIALS_FILE, type Credentials } from './broker-credentials.ts'
import { StartupError } from './errors.ts'

// Who logs in sends the password. A port of the loopback interface is anybody's while the broker is down: Warren's own
// processes use a socket in a folder instead, in which nobody but the folder's owner can put one.

/** The scheme of a URL that names the embedded broker by its folder; Warren's own, and in no other client. */
const SCHEME = 'amqp+unix:'

/** The socket, in the broker's folder. */
export const SOCKET_FILE = 'socket'

/** Says where the socket is, in a folder whose path is too long for one or whose file system has none. */
export const POINTER_FILE = 'socket.path'

/** Bytes of a socket's path: 107 on Linux, 103 elsewhere. */
export const MAX_SOCKET_PATH = 103

/** Windows has no modes by which to tell whose a folder is: there it is the port. */
export const HAS_SOCKETS: boolean = process.platform !== 'win32'

/** The URL by which Warren's own processes reach the broker of a folder. A secret: keep it out of logs. */
export function ownBrokerUrl(credentials: Credentials, folder: string, port: number): string {
  if (!HAS_SOCKETS) return brokerUrl(credentials, port)
  const { user, password } = credentials
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
  return `${SCHEME}//${login}@${BROKER_HOST}/?folder=${encodeURIComponent(folder)}`
}

/** The folder that a URL names; undefined if it names a host and a port. */
export function folderOf(url: string): string | undefined {
  const { protocol, searchParams } = new URL(url)
  return protocol === SCHEME ? (searchParams.get('folder') ?? '') : undefined
}

/**
 * The socket of the broker that has a folder, whether somebody listens or not.
 * @throws StartupError if somebody else could have put a socket there; an error of code ENOENT if there can't be one
 */
export function socketPath(folder: string): string {
  const real = realpathSync(folder)
  const owner = statSync(join(real, CREDENTIALS_FILE)).uid
  checkPrivate(real, owner)
  const path = readPointer(real) ?? join(real, SOCKET_FILE)
  // What is longer would be cut, and name another file.
  if (!isShortEnough(path)) throw Object.assign(new Error(`no socket is at ${path}`), { code: 'ENOENT' })
  const place = dirname(path)
  if (place !== real) checkPrivate(place, owner)
  return path
}

export function isShortEnough(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH
}

/** What the broker has written of where its socket is. */
export function readPointer(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, POINTER_FILE), 'utf8').trim() || undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Whoever may write to a folder may put a socket there; whoever may write above it could replace the project's code as
 * well, and needs no password.
 * @param owner who may read the password anyway
 * @throws StartupError
 */
export function checkPrivate(folder: string, owner: number): void {
  const { uid, mode } = statSync(folder)
  if (uid === owner && (mode & 0o022) === 0) return
  const found = uid === owner ? `mode ${(mode & 0o777).toString(8)}` : `user ${uid} as its owner`
  throw new StartupError(
    'WARREN_BROKER_SOCKET',
    `Expected ${folder} to be writable by nobody but user ${owner}, who owns the broker's ${CREDENTIALS_FILE}; found ` +
      `${found}: another user could listen there in the broker's place. Give it that owner and mode 700.`,
  )
}
