import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { AmqpError } from './errors.ts'

/** Milliseconds until the first bad login is answered, and then twice as many each time. */
const FIRST_PENALTY = 100
/** As RabbitMQ's; clients that wait for five seconds are to read the answer. */
const LONGEST_PENALTY = 3_000
/** Milliseconds without a bad login until those before are forgotten. */
const FORGET_MS = 60_000
/** Milliseconds between two lines of the log about bad logins. */
const LOG_MS = 10_000

/** Where the system lets the process open as many files as are needed for that, and else in shares of what it does. */
const MOST = { connections: 1_000, handshakes: 500 }
const SHARES = { connections: 0.6, handshakes: 0.2 }

/** Who gets in: one door each for the port, which is open to all users of the machine, and for Warren's own socket. */
export interface Door {
  /** Somebody has connected, and is to log in. Who has been at that for longest goes, where there are too many. */
  enter(socket: Socket): void
  /** It has logged in. @throws AmqpError where there are too many connections */
  admit(socket: Socket): void
  leave(socket: Socket): void
  /** Notes a bad login. @returns the milliseconds until it is to be answered; a good one never waits */
  refuse(peer: string): number
}

export interface AdmissionOptions {
  /** Of clients that have logged in, at all doors. */
  readonly connections: number
  readonly log: { warn(details: object, message: string): void }
}

/** @returns a function that makes a door, for so many clients that are to log in */
export function createAdmission({ connections, log }: AdmissionOptions): (handshakes: number) => Door {
  const admitted = new Set<Socket>()

  return function openDoor(handshakes) {
    /** In the order in which they came. */
    const coming = new Set<Socket>()
    let penalty = 0
    let refused = 0
    let lastBad = Number.NEGATIVE_INFINITY
    let lastLine = Number.NEGATIVE_INFINITY

    return {
      enter(socket) {
        coming.add(socket)
        const [first] = coming
        if (!first || coming.size <= handshakes) return
        coming.delete(first)
        first.destroy()
      },

      admit(socket) {
        coming.delete(socket)
        if (admitted.size >= connections) {
          throw new AmqpError(530, `connection refused: node connection limit (${connections}) is reached`)
        }
        admitted.add(socket)
      },

      leave(socket) {
        coming.delete(socket)
        admitted.delete(socket)
      },

      refuse(peer) {
        const now = performance.now()
        if (now - lastBad > FORGET_MS) penalty = 0
        lastBad = now
        penalty = Math.min(LONGEST_PENALTY, penalty === 0 ? FIRST_PENALTY : penalty * 2)
        refused++
        if (now - lastLine >= LOG_MS) {
          log.warn({ peer, refused }, 'a login was refused: another user or password than in credentials.json')
          lastLine = now
          refused = 0
        }
        return penalty
      },
    }
  }
}

/** How many clients there may be, logged in and on their way there. */
export function defaultAdmission(): { connections: number; handshakes: number } {
  let files = Number.POSITIVE_INFINITY
  try {
    files = Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? files)
  } catch {
    // Another system than Linux, on which Node asks for as many as it gets.
  }
  const share = (most: number, part: number) => Math.min(most, Math.floor(files * part))
  return {
    connections: share(MOST.connections, SHARES.connections),
    handshakes: share(MOST.handshakes, SHARES.handshakes),
  }
}
