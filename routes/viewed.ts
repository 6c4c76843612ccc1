import { randomUUID } from 'node:crypto'
import { Hono } from 'hono'
import { body, type FrontDoor } from 'warren'
import { viewed } from '../workers/messages/flixtube.ts'
import * as history from '../workers/stores/history.ts'
import * as recommendations from '../workers/stores/recommendations.ts'

/** The direct way: the view is recorded when this answers, and no broker has a part in it. */
export default new Hono<FrontDoor>().post('/', body(viewed.data), async function recordView(c) {
  const id: string = randomUUID()
  const { videoPath } = c.req.valid('json')
  await Promise.all([history.add(id, videoPath), recommendations.count(id, videoPath)])
  return c.json({ id }, 201)
})
