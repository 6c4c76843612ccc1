import { Hono } from 'hono'
import type { FrontDoor, FrontDoorClient } from '../base/front-door.ts'
import { problem } from './problem.ts'
import { PROJECT_HEADER } from './share-port.ts'

/** `GET /healthz`: the process lives, and of which project it is. `GET /readyz`: it can send messages. */
export function health(client: FrontDoorClient, project: string) {
  return new Hono<FrontDoor>()
    .get('/healthz', (c) => c.json({ status: 'ok' }, 200, { [PROJECT_HEADER]: project }))
    .get('/readyz', (c) => {
      const { status, reason } = client.state
      if (status === 'ready') return c.json({ status: 'ready' })
      throw problem(503, 'Not ready', reason ?? `The connection to the broker is ${status}.`, {
        headers: { 'retry-after': '1' },
      })
    })
}
