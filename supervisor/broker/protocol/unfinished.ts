import { AmqpError } from '../errors.ts'

/**
 * What has come of messages that are not whole yet, of all connections. Nothing can be done about it but to wait for the
 * rest, so that a bound is needed: whose is the most is ended where it is passed.
 */
export interface Unfinished {
  readonly bytes: number
  /** A connection's share. @param end ends the connection */
  open(end: (error: AmqpError) => void): Share
}

export interface Share {
  add(bytes: number): void
  /** The connection is over, and all that it had. */
  close(): void
}

export function createUnfinished(most: number): Unfinished {
  const shares = new Map<Share, { bytes: number; end(error: AmqpError): void }>()
  let total = 0

  function endLargest(): void {
    let largest = { bytes: 0, end(_: AmqpError): void {} }
    for (const one of shares.values()) if (one.bytes > largest.bytes) largest = one
    const text = `${largest.bytes} bytes of unfinished messages on this connection, and ${most} on all are the limit`
    largest.end(new AmqpError(506, text))
  }

  return {
    get bytes() {
      return total
    },

    open(end) {
      const state = { bytes: 0, end }
      const share: Share = {
        add(bytes) {
          if (!shares.has(share)) return
          state.bytes += bytes
          total += bytes
          if (bytes > 0 && total > most) endLargest()
        },
        close() {
          if (shares.delete(share)) total -= state.bytes
        },
      }
      shares.set(share, state)
      return share
    },
  }
}
