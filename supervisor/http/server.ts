import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener, type Http2Bindings, type HttpBindings, RequestError } from '@hono/node-server'
import { reasonOf, WarrenError } from '../base/errors.ts'
import { type ProblemError, problem, problemBody, problemResponse, toProblem } from './problem.ts'
import { continueWhenRead, MAX_HEADERS, protocolProblem, unknownExpectation } from './protocol.ts'
import { requestIdOf } from './request-context.ts'
import { canSharePort, heldByOthers } from './share-port.ts'

export interface HttpServer {
  readonly host: string
  readonly port: number
  /** Takes no new connections and lets responses in flight finish; at the deadline it cuts them. */
  stop(deadline: AbortSignal): Promise<void>
}

/** Milliseconds. */
const TIMEOUTS = {
  /** For a request's headers: who is slower than this holds a socket and wants nothing. */
  headersTimeout: 15_000,
  /** For a whole request, its body included: 32 MiB over 2.5 Mbit/s. */
  requestTimeout: 120_000,
  /** Between requests: longer than the 60 s of common proxies, so that it is they who close. */
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
}

/** Milliseconds without a byte in either direction: a client that has stopped reading its response. */
const STALLED = 300_000

/** Milliseconds between looks for idle sockets while stopping. */
const IDLE_CHECK = 50

/**
 * Serves the app; resolves once it listens.
 * @param project what `projectId` gives: front doors of one project share the port, where Node can (23.1)
 * @throws WarrenError with code EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND
 */
export async function serve(
  app: { fetch: (request: Request, bindings: HttpBindings | Http2Bindings) => Response | Promise<Response> },
  { host, port }: { host: string; port: number },
  project?: string,
): Promise<HttpServer> {
  const share = project !== undefined && canSharePort && port !== 0
  if (share && (await heldByOthers(host, port, project))) throw listenError({ code: 'EADDRINUSE' }, host, port)

  // What an HTTP/1.0 request without a Host is for.
  const hostname = host.includes(':') ? `[${host}]` : host
  const answer = getRequestListener((request, bindings) => app.fetch(request, bindings), {
    hostname,
    errorHandler: answerBadRequest,
  })
  const server = createServer(TIMEOUTS, listener)
  server.timeout = STALLED
  // One more than are allowed: that is how too many are known.
  server.maxHeadersCount = MAX_HEADERS + 1
  server.on('checkContinue', function listenOnDemand(incoming: IncomingMessage, outgoing: ServerResponse) {
    continueWhenRead(incoming, outgoing, () => !stopping)
    listener(incoming, outgoing)
  })
  server.on('checkExpectation', (_: IncomingMessage, outgoing: ServerResponse) =>
    refuse(outgoing, unknownExpectation()),
  )

  const sockets = new Set<Socket>()
  const inFlight = new Set<ServerResponse>()
  let stopping = false

  server.on('connection', function track(socket: Socket) {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  function listener(incoming: IncomingMessage, outgoing: ServerResponse): void {
    // Node writes `connection: close` then.
    if (stopping) outgoing.shouldKeepAlive = false
    inFlight.add(outgoing)
    outgoing.once('close', () => inFlight.delete(outgoing))
    const refused = protocolProblem(incoming)
    if (refused) refuse(outgoing, refused)
    else void answer(incoming, outgoing)
  }

  await new Promise<void>(function listen(resolve, reject) {
    const fail = (error: NodeJS.ErrnoException) => reject(listenError(error, host, port))
    server.once('error', fail)
    server.listen({ port, host, ...(share && { reusePort: true }) }, () => {
      server.off('error', fail)
      resolve()
    })
  })

  return {
    host,
    port: (server.address() as AddressInfo).port,
    async stop(deadline) {
      stopping = true
      for (const outgoing of inFlight) outgoing.shouldKeepAlive = false
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const idleCheck = setInterval(endIdle, IDLE_CHECK)
      const cut = () => server.closeAllConnections()
      if (deadline.aborted) cut()
      else deadline.addEventListener('abort', cut, { once: true })
      endIdle()
      await closed
      clearInterval(idleCheck)
      deadline.removeEventListener('abort', cut)
    },
  }

  function endIdle(): void {
    server.closeIdleConnections()
    // Browsers connect ahead of their requests; to Node such a socket is not idle but late with its headers.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  }
}

/** Answers without the app: what came is no request that a route could get. */
function refuse(outgoing: ServerResponse, refused: ProblemError): void {
  const requestId = requestIdOf(undefined)
  const { status, headers } = problemResponse(refused, requestId)
  outgoing.writeHead(status, { ...Object.fromEntries(headers), 'x-request-id': requestId })
  outgoing.end(problemBody(refused, requestId))
}

/** What is wrong before the app sees a request, such as a broken Host header. */
function answerBadRequest(error: unknown): Response {
  const requestId = requestIdOf(undefined)
  const answer = error instanceof RequestError ? problem(400, 'Bad request', error.message) : toProblem(error)
  const response = problemResponse(answer, requestId)
  response.headers.set('x-request-id', requestId)
  return response
}

function listenError(error: { code?: string | undefined }, host: string, port: number): WarrenError {
  const code = error.code ?? 'WARREN_LISTEN'
  const messages: Record<string, string> = {
    EADDRINUSE: `Port ${port} on ${host} is in use by another process. Stop it, or set PORT.${tellOfSharing()}`,
    EACCES: `This user may not listen on port ${port}. Set PORT to 1024 or above.`,
    EADDRNOTAVAIL: `${host} is not an address of this machine. Set HOST to one that is.`,
    ENOTFOUND: `The host name ${host} has no address. Set HOST to an address of this machine.`,
  }
  return new WarrenError(code, messages[code] ?? `Can't listen on ${host}:${port}: ${reasonOf(error)}`, {
    cause: error,
  })
}

// pm2 counts an app's instances in NODE_APP_INSTANCE, from 0.
function tellOfSharing(): string {
  if (canSharePort || !Number(process.env.NODE_APP_INSTANCE)) return ''
  return ` For several front doors on one port Node 23.1 or later is needed; this is ${process.versions.node}.`
}
