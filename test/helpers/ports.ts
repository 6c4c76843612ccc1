import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

// Below the ports that systems give to outgoing connections and to who listens on port 0 (Linux from 32768 on, others from
// 49152 on): a busy machine would take one of those before it is used here.
const LOWEST = 10_000
const HIGHEST = 32_767

/** Those that this process has been given: nobody may listen on them yet. */
const given = new Set<number>()

/**
 * A TCP port of loopback that is free now, another one each time. Another process may draw the same before it is used: what
 * can listen on port 0 should.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST + 1)
    if (!given.has(port) && (await isFree(port))) {
      given.add(port)
      return port
    }
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
  server.close()
  await once(server, 'close')
  return true
}
