import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect } from 'amqplib'
import { compiledProject } from '../../helpers/compiled-project.ts'
import { freePort } from '../../helpers/ports.ts'
import type { Teardown } from '../../helpers/tmp.ts'
import type { Load } from '../peers/load.ts'
import { startPeer } from '../peers/process.ts'
import type { Scenario } from '../scenario.ts'
import { startWorker, uniqueName, WARREN, workerFile } from '../sides.ts'

const REQUESTS = 20_000
const CONNECTIONS = 50
const BYTES = 256
const HONO = 'Hono + zod'
const ENTRY = fileURLToPath(new URL('../../../supervisor/front-door.js', import.meta.url))
const PAYLOAD = new URL('../peers/payload.js', import.meta.url).href
const latency = { unit: 'ms', better: 'less', digits: 2 } as const

interface Server {
  readonly name: string
  readonly url: string
  readonly queue: string
}

/** From a request to the broker's confirm and the answer. */
export const frontDoor: Scenario = {
  name: 'front-door',
  title:
    `POST ${BYTES} bytes of JSON, and be answered when the broker has confirmed the message: ${CONNECTIONS} connections ` +
    'at once. Warren logs each request; Hono + zod and node:http do not, and the latter does not look at the body.',
  measures: [
    { name: 'throughput', unit: 'requests/s', better: 'more', targets: [{ against: HONO, value: 0.75 }] },
    { name: 'p50', ...latency },
    { name: 'p99', ...latency },
  ],
  async open(services, t) {
    const { url } = await services.rabbitmq()
    const connection = await connect(url)
    t.teardown(() => connection.close())
    const channel = await connection.createChannel()
    const load = await startPeer(t, 'load')
    const servers = [await warren(t, url), await byHand(t, HONO, 'http-hono', url)]
    servers.push(await byHand(t, 'node:http', 'http-node', url))
    return servers.map(({ name, url, queue }) => ({
      name,
      async sample() {
        const { rate, p50, p99 } = await load.call<Load>('post', url, services.size(REQUESTS), CONNECTIONS, BYTES)
        await channel.purgeQueue(queue)
        return { throughput: rate, p50, p99 }
      },
    }))
  },
}

/** The process that pm2 would run, of a project with one route. */
async function warren(t: Teardown, amqpUrl: string): Promise<Server> {
  const [queue, port] = [uniqueName(), await freePort()]
  // It makes the queue, and ends: what is sent nobody receives.
  await (await startWorker(t, { url: amqpUrl, queue, file: workerFile('warren-worker') })).end()
  const cwd = compiledProject(t, { 'routes/index.ts': route(queue) })
  const log = openSync(join(cwd, 'log'), 'w')
  t.teardown(() => closeSync(log))
  await startPeer(t, 'front-door', {
    file: ENTRY,
    cwd,
    env: { AMQP_URL: amqpUrl, HOST: '127.0.0.1', PORT: String(port), LOG_LEVEL: 'info', API_KEYS: '' },
    ready: 'ready',
    stdout: log,
  })
  return { name: WARREN, url: `http://127.0.0.1:${port}`, queue }
}

async function byHand(t: Teardown, name: string, file: string, amqpUrl: string): Promise<Server> {
  const queue = uniqueName()
  const server = await startPeer(t, file, { args: [amqpUrl, queue] })
  return { name, url: `http://127.0.0.1:${await server.call<number>('port')}`, queue }
}

function route(queue: string): string {
  return `
import { Hono } from 'hono'
import { body, defineQueue } from 'warren'
import { payload } from '${PAYLOAD}'

const queue = defineQueue('${queue}', { data: payload })

export default new Hono().post('/', body(payload), async (c) => {
  const { id } = await c.var.bus.send(queue, c.req.valid('json'))
  return c.json({ id }, 202)
})
`
}
