import { Hono } from 'hono'
import { type FrontDoor, query } from 'warren'
import { z } from 'zod'
import * as recommendations from '../workers/stores/recommendations.ts'

const page = z.object({ limit: z.coerce.number().int().min(1).max(100).default(10) })

export default new Hono<FrontDoor>().get('/', query(page), async function listRecommendations(c) {
  return c.json({ recommendations: await recommendations.top(c.req.valid('query').limit) })
})
