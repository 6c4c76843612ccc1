import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { reasonOf, StartupError } from './errors.ts'

/** Who may use the embedded broker: the processes of the user who can read the file that they are in. */
export interface Credentials {
  readonly user: string
  readonly password: string
}

/** Where the embedded broker listens: this machine's processes alone can reach it. */
export const BROKER_HOST = '127.0.0.1'

/** In the broker's folder. */
export const CREDENTIALS_FILE = 'credentials.json'
const FORMAT = 'the user and the password of the embedded broker, as JSON'

/** The folder of the embedded broker in `DATA_DIR`: its messages and its credentials. */
export function brokerFolder(dataDir: string): string {
  return join(dataDir, 'broker')
}

/**
 * The user and the password of the broker in that folder. Whoever comes first, the broker or one of its clients, makes
 * them up; the file is its owner's alone to read.
 * @throws StartupError that names the file, and never what is in it
 */
export function obtainCredentials(folder: string): Credentials {
  const file = join(folder, CREDENTIALS_FILE)
  const found = read(file)
  if (found) return found
  try {
    makeFolder(folder)
    write(file, { user: 'warren', password: randomBytes(24).toString('base64url') })
  } catch (error) {
    throw unusable(`${file} can't be written: ${reasonOf(error)}`, error)
  }
  const made = read(file)
  if (!made) throw unusable(`Expected ${file} to hold ${FORMAT}; somebody has just removed it.`)
  return made
}

/** The URL of the embedded broker for any AMQP client. A secret: keep it out of logs. */
export function brokerUrl({ user, password }: Credentials, port: number): string {
  return `amqp://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${BROKER_HOST}:${port}`
}

/** Compares in a time that tells nothing of the right ones. */
export function isSame(given: Credentials, right: Credentials): boolean {
  const digest = ({ user, password }: Credentials) => createHash('sha256').update(`${user}\0${password}`).digest()
  return timingSafeEqual(digest(given), digest(right))
}

// DATA_DIR above it as well, where nobody has made it yet: what workers store there is no more for others.
function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
}

/** Writes the file whole or not at all: it gets its name when it is on disk, and the first of several writers wins. */
function write(file: string, credentials: Credentials): void {
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`
  try {
    const descriptor = openSync(draft, 'wx', 0o600)
    try {
      writeSync(descriptor, `${JSON.stringify(credentials)}\n`)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

function read(file: string): Credentials | undefined {
  let text: string
  let mode: number
  try {
    mode = statSync(file).mode
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unusable(`${file} can't be read: ${reasonOf(error)}`, error)
  }
  // Windows has no such bits.
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw unusable(
      `Expected ${file} to be its owner's alone (mode 600), found mode ${(mode & 0o777).toString(8)}: others could ` +
        'have read the password in it. Stop everything and remove it, so that a new one is made. Where the file system ' +
        'knows no modes, set DATA_DIR to a folder of another one.',
    )
  }
  return parse(text, file)
}

function parse(text: string, file: string): Credentials {
  try {
    const { user, password } = JSON.parse(text) as Partial<Credentials>
    if (isText(user) && isText(password)) return { user, password }
  } catch {
    // The parser's message quotes what it has read: it goes no further.
  }
  throw unusable(`Expected ${file} to hold ${FORMAT}. Stop everything and remove it, so that a new one is made.`)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}

function unusable(message: string, cause?: unknown): StartupError {
  return new StartupError('WARREN_BROKER_CREDENTIALS', message, { cause })
}
