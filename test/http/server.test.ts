import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { Hono } from 'hono'
import t from 'tap'
import type { FrontDoor } from '../../supervisor/base/front-door.ts'
import { serve } from '../../supervisor/http/server.ts'
import { startFrontDoor } from '../helpers/front-door.ts'
import { promised } from '../helpers/promised.ts'

function deferred() {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** A route that answers only when told to. */
function gated() {
  const entered = deferred()
  const gate = deferred()
  const routes = new Hono<FrontDoor>()
    .get('/quick', (c) => c.text('quick'))
    .get('/slow', async (c) => {
      entered.resolve()
      await gate.promise
      return c.text('slow')
    })
  return { routes, entered: entered.promise, open: gate.resolve }
}

function getText(url: string, agent: Agent): Promise<{ text: string; connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part) => {
        text += part
      })
      response.on('end', () => resolve({ text, connection: response.headers.connection }))
      response.on('error', reject)
    }).on('error', reject)
  })
}

t.test('stop ends idle sockets and lets the response in flight finish', async (t) => {
  const { routes, entered, open } = gated()
  const { url, server } = await startFrontDoor(t, { routes })
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const unused = connect(server.port, '127.0.0.1')
  t.teardown(() => unused.destroy())
  await once(unused, 'connect')
  const unusedEnds = once(unused, 'close')

  t.equal((await getText(`${url}/quick`, agent)).connection, 'keep-alive')
  const slow = getText(`${url}/slow`, new Agent({ keepAlive: true }))
  await entered

  const start = performance.now()
  const stopped = server.stop(new AbortController().signal)
  await unusedEnds
  await t.rejects(fetch(`${url}/quick`), 'no new connections')
  open()
  t.same(await slow, { text: 'slow', connection: 'close' })
  await stopped
  promised(t, performance.now() - start, 1_500, 'it has stopped, well before keep-alive or headers time out')
})

t.test('at the deadline stop cuts what is left', async (t) => {
  const { routes, entered } = gated()
  const { url, server } = await startFrontDoor(t, { routes })
  const slow = fetch(`${url}/slow`)
  await entered
  const deadline = new AbortController()
  const stopped = server.stop(deadline.signal)
  deadline.abort()
  await t.rejects(slow)
  await stopped
})

t.test('a port in use is told as such', async (t) => {
  const { server } = await startFrontDoor(t)
  const app = { fetch: () => new Response('') }
  await t.rejects(serve(app, { host: '127.0.0.1', port: server.port }), {
    code: 'EADDRINUSE',
    message: `Port ${server.port} on 127.0.0.1 is in use by another process. Stop it, or set PORT.`,
  })
  await t.rejects(serve(app, { host: '192.0.2.1', port: 0 }), { code: 'EADDRNOTAVAIL', message: /Set HOST/ })
})

t.test('a request that is none gets a problem as well', async (t) => {
  const { server } = await startFrontDoor(t)
  const socket = connect(server.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let text = ''
  socket.setEncoding('utf8').on('data', (part) => {
    text += part
  })
  socket.write('GET / HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n')
  await once(socket, 'close')
  t.match(text, /^HTTP\/1\.1 400 /)
  t.match(text, /application\/problem\+json/)
  t.match(text, /x-request-id: /)
})
