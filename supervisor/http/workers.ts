import { Hono } from 'hono'
import type { Fleet, ProjectWorkers } from '../base/fleet.ts'
import type { FrontDoor, FrontDoorClient } from '../base/front-door.ts'
import { didYouMean } from '../base/suggest.ts'
import { askBroker } from './ask-broker.ts'
import { brokenOf, explainBroken } from './broken-workers.ts'
import { problem } from './problem.ts'

/**
 * `/workers`: every worker of the project, and what runs of it on which machine.
 * @param project names the files that are broken, of which nobody knows more
 */
export function workerRoutes(fleet: Fleet, client: FrontDoorClient, project: Pick<ProjectWorkers, 'broken'>) {
  return new Hono<FrontDoor>()
    .use('/workers/*', askBroker(client))
    .get('/workers', async (c) => c.json({ workers: await fleet.workers(), ...(await brokenOf(project)) }))
    .get('/workers/:name', async (c) => {
      const workers = await fleet.workers()
      const name = c.req.param('name')
      const worker = workers.find((one) => one.name === name)
      if (worker) return c.json(worker)
      await explainBroken(project, name)
      const names = workers.map((one) => one.name)
      const known = names.join(', ') || 'none'
      throw problem(404, 'No such worker', `Expected one of ${known}; found '${name}'${didYouMean(name, names)}.`)
    })
}
