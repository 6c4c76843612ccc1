// A route of a bare Hono app that validates and sends: no log, no id of the request, nothing else that Warren adds.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { answerCalls } from './host.ts'
import { payload } from './payload.ts'
import { openPublisher } from './publish-one.ts'

const [url = '', queue = ''] = process.argv.slice(2)
const publish = await openPublisher(url, queue)
const app = new Hono().post('/', async (c) => {
  const { success, data, error } = payload.safeParse(await c.req.json())
  if (!success) return c.json({ errors: error.issues }, 422)
  return c.json({ id: await publish(Buffer.from(JSON.stringify(data))) }, 202)
})
const listening = new Promise<number>((resolve) => {
  serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => resolve(port))
})

answerCalls({ port: () => listening })
