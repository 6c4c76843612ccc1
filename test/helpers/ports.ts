import { createServer } from 'node:net'

/**
 * A TCP port of loopback that is free now. Someone else may take it before it is used: what can listen on port 0 should.
 */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('expected a TCP address of the probe')
  return address.port
}
