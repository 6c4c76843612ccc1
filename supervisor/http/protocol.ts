import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ProblemError, problem } from './problem.ts'

/** Header lines of a request: Node keeps the first ones up to its own limit, and drops the rest without a word. */
export const MAX_HEADERS = 200

const CLOSE = { headers: { connection: 'close' } }

/**
 * What HTTP itself has against a request that Node's parser lets through: it is answered by no route.
 * (Node refuses by itself, with 400, 408 or 431: no Host, both content-length and transfer-encoding, headers over 16 KiB.)
 */
export function protocolProblem(
  incoming: Pick<IncomingMessage, 'httpVersion' | 'url' | 'rawHeaders' | 'headers'>,
): ProblemError | undefined {
  const { httpVersion, url = '', rawHeaders, headers } = incoming
  // A line without a version is HTTP/0.9's, whose answers have no status and no headers.
  if (httpVersion === '0.9')
    return problem(400, 'Bad request', 'Expected a version behind the target, found none.', CLOSE)
  if (!/^1\.[01]$/.test(httpVersion)) {
    return problem(505, 'HTTP version not supported', `Expected HTTP/1.1, found HTTP/${httpVersion}.`, CLOSE)
  }
  if (rawHeaders.length > MAX_HEADERS * 2) {
    return problem(431, 'Too many headers', `A request may have at most ${MAX_HEADERS} header lines.`, CLOSE)
  }
  // RFC 9112, 3.2: whoever is in front may have gone by the other one.
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === 'host') hosts++
  if (hosts > 1) return problem(400, 'Bad request', `Expected one Host header, found ${hosts}.`, CLOSE)
  // RFC 9112, 6.1: Node takes off the last coding and hands on the others as the body.
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    return problem(501, 'Not implemented', `Expected transfer-encoding chunked, found ${coding.slice(0, 255)}.`, CLOSE)
  }
  if (!/^(?:\/|https?:\/\/)/.test(url)) {
    return problem(400, 'Bad request', 'Expected a target that begins with a slash, or with http://.', CLOSE)
  }
  return undefined
}

/** The answer to an `Expect` that is not `100-continue`, which is all that there is. */
export function unknownExpectation(): ProblemError {
  return problem(417, 'Expectation failed', 'Expected `Expect: 100-continue`, or none.', CLOSE)
}

/**
 * Answers `Expect: 100-continue` when the app begins to read the body: what it refuses unread, such as one that is too
 * large or comes without a key, is never sent.
 * @param mayKeepAlive whether the connection may be used again
 */
export function continueWhenRead(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  mayKeepAlive: () => boolean,
): void {
  const read = incoming._read
  const { shouldKeepAlive } = outgoing
  // The client may send the body after a refusal, or not: what follows on the connection could be either.
  outgoing.shouldKeepAlive = false
  incoming._read = function readOnDemand(size) {
    incoming._read = read
    if (!outgoing.headersSent) {
      outgoing.shouldKeepAlive = shouldKeepAlive && mayKeepAlive()
      outgoing.writeContinue()
    }
    read.call(incoming, size)
  }
}
