import { resolve } from 'node:path'
import { Hono } from 'hono'
import type { FrontDoor } from 'warren'
import { viewed } from '../workers/messages/flixtube.ts'
import { prepareFile } from './files/send-file.ts'

const VIDEO = 'sample.mp4'

export default new Hono<FrontDoor>().get('/', async function streamVideo(c) {
  // From the project's folder, which is where every process runs: this file itself is in dist/ once compiled.
  const file = await prepareFile(c, resolve('routes/assets', VIDEO), 'video/mp4', 'No such video')
  // A player that seeks asks for a later range of the same playback.
  if (c.req.method === 'GET' && file.fromStart) await c.var.bus.publish(viewed, { videoPath: VIDEO })
  return file.send()
})
