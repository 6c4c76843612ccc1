// The entry of the front door's process: `node dist/supervisor/front-door.js`, as pm2 runs it.
import type { FrontDoorClient } from './base/front-door.ts'
import { projectMark } from './base/project-mark.ts'
import { listSources } from './base/sources.ts'
import { createApp } from './http/app.ts'
import { loadRoutes } from './http/routes.ts'
import { serve } from './http/server.ts'
import { projectId } from './http/share-port.ts'
import { openClient } from './messaging/client.ts'
import { openDeadLetters } from './messaging/dead-letters.ts'
import { openFleet } from './messaging/fleet.ts'
import { main, type ProcessContext, type Service } from './process/main.ts'
import { workersOf } from './process/workers.ts'

const NAME = 'front-door'

await main(NAME, startFrontDoor, { loads: (root) => listSources(root, 'routes').map(({ compiled }) => compiled) })

async function startFrontDoor({ config, log, report, root }: ProcessContext): Promise<Service> {
  const routes = await loadRoutes(root)
  const mark = projectMark(root)
  const client = openClient({ urls: config.amqpUrls, name: NAME, project: mark, log })
  const { redrive } = client
  const workers = workersOf(root)
  const deadLetters = openDeadLetters({
    urls: config.amqpUrls,
    name: NAME,
    project: mark,
    workers: workers.sound,
    redrive,
  })
  const project = projectId(root)
  const fleet = openFleet({ urls: config.amqpUrls, name: NAME })
  // Connected but without a permission that a route needs, it is not ready either: the requests would fail.
  const sender: FrontDoorClient = {
    get state() {
      const { denied, state } = client
      return denied !== undefined && state.status === 'ready' ? { status: 'denied', reason: denied } : state
    },
    bus: client.bus,
  }
  const app = createApp({ config, log, client: sender, deadLetters, fleet, workers, project, routes })
  const server = await serve(app, config, project)
  log.info({ host: server.host, port: server.port, routes: routes.map(({ file }) => file) }, 'listening')

  let stopping = false
  client.onState(tell)
  tell()

  // It listens already; ready it is while messages can be sent as well. Until then those requests get a 503.
  function tell(): void {
    const { status, ...why } = sender.state
    if (!stopping) void report.set({ status: status === 'ready' ? 'ready' : 'waiting', ...why })
  }

  return {
    // The requests in flight may still send: the client goes last.
    async stop(deadline) {
      stopping = true
      await server.stop(deadline)
      await client.close(deadline)
    },
  }
}
