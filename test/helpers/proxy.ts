import { connect, createServer, type Socket } from 'node:net'
import type { Teardown } from './tmp.ts'

/** A TCP proxy on loopback in front of a port, which makes the network's troubles on demand. */
export interface Proxy {
  readonly port: number
  /** How many client connections are open. */
  readonly connections: number
  /** How many client connections there have been, those it refused included. */
  readonly accepted: number
  /** Resets every open connection, both ways. New ones are still taken. */
  cut(): void
  /** Becomes a silent peer: sockets stay open and new ones are taken, but not a byte goes through. */
  freeze(): void
  /** Ends a freeze: what came meanwhile goes through. */
  thaw(): void
  /** Resets new connections at once; open ones live on. */
  refuse(): void
  /** Ends a refusal. */
  accept(): void
  close(): Promise<void>
}

/** Starts a proxy in front of a port of loopback; closed when the test ends. */
export async function startProxy(t: Teardown, targetPort: number): Promise<Proxy> {
  const pairs = new Set<{ client: Socket; target: Socket }>()
  let frozen = false
  let refusing = false
  let accepted = 0

  const server = createServer({ noDelay: true }, function take(client) {
    accepted++
    // A socket without an error listener would end the test process.
    client.on('error', () => {})
    if (refusing) return void reset(client)

    const target = connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
    const pair = { client, target }
    pairs.add(pair)
    forward(client, target)
    forward(target, client)

    function forward(from: Socket, to: Socket): void {
      from.on('data', (chunk) => {
        if (!to.write(chunk)) from.pause()
      })
      to.on('drain', () => {
        if (!frozen) from.resume()
      })
      from.on('end', () => to.end())
      from.on('error', () => reset(to))
      from.on('close', () => {
        pairs.delete(pair)
        to.destroySoon()
      })
      if (frozen) from.pause()
    }
  })

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  // tap ends a file when nothing keeps its event loop busy: a proxy that a whole file uses must not.
  server.unref()
  const { port } = server.address() as { port: number }

  const proxy: Proxy = {
    port,
    get connections() {
      return pairs.size
    },
    get accepted() {
      return accepted
    },
    cut() {
      for (const { client, target } of pairs) {
        reset(client)
        reset(target)
      }
    },
    freeze() {
      frozen = true
      for (const { client, target } of pairs) for (const socket of [client, target]) socket.pause()
    },
    thaw() {
      frozen = false
      for (const { client, target } of pairs) for (const socket of [client, target]) socket.resume()
    },
    refuse() {
      refusing = true
    },
    accept() {
      refusing = false
    },
    close() {
      proxy.cut()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  t.teardown(proxy.close)
  return proxy
}

/**
 * Cuts a socket with a TCP reset. Node 20 loses a socket that is reset while its end is on the way: it is never closed,
 * and the process hangs, busily, when it should exit.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

/** A broker's URL that goes through the proxy. */
export function throughProxy(url: string, proxy: Proxy): string {
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(proxy.port)
  return through.href
}
