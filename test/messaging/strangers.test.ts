// While the embedded broker is down, anybody on the machine may listen on its port.
import { createServer, type Socket } from 'node:net'
import { join, resolve } from 'node:path'
import t from 'tap'
import { encodeMethod } from '../../supervisor/amqp/methods.ts'
import { brokerFolder, obtainCredentials } from '../../supervisor/base/broker-credentials.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { freePort } from '../helpers/ports.ts'
import { run, runToEnd } from '../helpers/process.ts'
import type { Teardown } from '../helpers/tmp.ts'

const START = encodeMethod(0, {
  name: 'connection.start',
  versionMajor: 0,
  versionMinor: 9,
  serverProperties: { product: 'a stranger' },
  mechanisms: 'PLAIN AMQPLAIN',
  locales: 'en_US',
})

const WORKER = `
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'
export default defineWorker(defineQueue('stranger', { data: z.object({}) }), { handler() {} })
`

/** Says what a broker says first, and keeps what it is answered. */
async function listenAsStranger(t: Teardown, port: number): Promise<() => string> {
  let heard = ''
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.write(START)
    socket.on('data', (bytes) => (heard += bytes.toString('latin1')))
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  return () => heard
}

t.test('no process of Warren sends the password to whoever has the port', async (t) => {
  const root = compiledProject(t, { 'workers/one.ts': WORKER })
  const port = await freePort()
  const heard = await listenAsStranger(t, port)
  const { password } = obtainCredentials(brokerFolder(join(root, 'data')))
  const env = { PATH: process.env.PATH, BROKER_PORT: String(port), PORT: '0', SHUTDOWN_TIMEOUT: '1s' }
  const entry = (name: string) => resolve(`dist/supervisor/${name}.js`)

  const services = [
    ['the front door', 'front-door', []],
    ['a worker', 'worker', ['one']],
  ] as const
  for (const [what, file, args] of services) {
    const running = run(process.execPath, [entry(file), ...args], { cwd: root, env })
    t.teardown(() => running.end('SIGKILL'))
    await running.outputs(/"msg":"waiting for the broker"/)
    t.match(running.output, /nothing listens at unix:.*data\/broker"/, what)
    await running.end()
    t.notMatch(heard(), password, what)
  }
  for (const args of [['dead', 'list'], ['prune'], ['ps']]) {
    await runToEnd(process.execPath, [entry('cli'), ...args], { cwd: root, env })
    t.notMatch(heard(), password, `warren ${args.join(' ')}`)
  }
  t.equal(heard(), '', 'they do not even say hello')
})
