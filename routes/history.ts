import { Hono } from 'hono'
import { type FrontDoor, query } from 'warren'
import { z } from 'zod'
import * as history from '../workers/stores/history.ts'

const page = z.object({
  skip: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(100).default(20),
})

export default new Hono<FrontDoor>().get('/', query(page), async function listHistory(c) {
  const { skip, limit } = c.req.valid('query')
  return c.json({ history: await history.list(skip, limit) })
})
