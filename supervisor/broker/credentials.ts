import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Credentials {
  readonly user: string
  readonly password: string
}

/** The file that holds them, in the broker's folder. */
export const CREDENTIALS_FILE = 'credentials.json'

/** The user and the password of the broker in that folder; made up at its first start, and readable by the owner alone. */
export function obtainCredentials(folder: string): Credentials {
  const file = join(folder, CREDENTIALS_FILE)
  const made = { user: 'warren', password: randomBytes(24).toString('base64url') }
  try {
    writeFileSync(file, `${JSON.stringify(made)}\n`, { flag: 'wx', mode: 0o600 })
    return made
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return JSON.parse(readFileSync(file, 'utf8')) as Credentials
  }
}

/** Compares in a time that tells nothing of the right ones. */
export function isSame(given: Credentials, right: Credentials): boolean {
  const bytes = ({ user, password }: Credentials) => Buffer.from(`${user}\0${password}`)
  const [a, b] = [bytes(given), bytes(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}
