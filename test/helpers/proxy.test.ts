import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startProxy, throughProxy } from './proxy.ts'
import { until } from './until.ts'

/** A server that sends back what it gets. */
async function startEcho(t: Test): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function open(t: Test, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function echo(socket: Socket, text: string): Promise<string> {
  socket.write(text)
  const [answer] = await once(socket, 'data')
  return String(answer)
}

t.test('forwards both ways', async (t) => {
  const proxy = await startProxy(t, await startEcho(t))
  const socket = await open(t, proxy.port)
  t.equal(await echo(socket, 'one'), 'one')
  t.equal(proxy.connections, 1)
  t.equal(throughProxy('amqp://u:p@host:5672/v', proxy), `amqp://u:p@127.0.0.1:${proxy.port}/v`)

  socket.end()
  await once(socket, 'close')
  await until(() => proxy.connections === 0, { what: 'the proxy to see the close' })
})

t.test('cut resets what is open and takes new connections', async (t) => {
  const proxy = await startProxy(t, await startEcho(t))
  const socket = await open(t, proxy.port)
  await echo(socket, 'one')
  const failed = once(socket, 'error')
  proxy.cut()
  t.match((await failed.catch((error) => [error]))[0], { code: 'ECONNRESET' })
  t.equal(await echo(await open(t, proxy.port), 'two'), 'two')
})

t.test('freeze lets nothing through, for old and new connections, until thaw', async (t) => {
  const proxy = await startProxy(t, await startEcho(t))
  const old = await open(t, proxy.port)
  await echo(old, 'one')

  proxy.freeze()
  const fresh = await open(t, proxy.port)
  const heard: string[] = []
  for (const socket of [old, fresh]) socket.on('data', (chunk) => heard.push(String(chunk)))
  old.write('old')
  fresh.write('fresh')
  // Another connection's round trip to the same server takes less than this one would.
  await t.rejects(
    until(() => heard.length > 0, { what: 'an answer', timeout: 100 }),
    'nothing comes through',
  )
  t.equal(old.destroyed || fresh.destroyed, false)

  proxy.thaw()
  await until(() => heard.length === 2, { what: 'both answers' })
  t.same(heard.sort(), ['fresh', 'old'])
})

t.test('refuse resets new connections and spares old ones', async (t) => {
  const proxy = await startProxy(t, await startEcho(t))
  const old = await open(t, proxy.port)
  await echo(old, 'one')

  proxy.refuse()
  const refused = connect(proxy.port, '127.0.0.1')
  t.match((await once(refused, 'close').catch((error) => [error]))[0], { code: 'ECONNRESET' })
  t.equal(await echo(old, 'two'), 'two')

  proxy.accept()
  t.equal(await echo(await open(t, proxy.port), 'three'), 'three')
})
