import { Hono } from 'hono'
import type { Config } from '../base/config.ts'
import type { DeadLetters } from '../base/dead-letters.ts'
import type { Fleet, ProjectWorkers } from '../base/fleet.ts'
import type { FrontDoor, FrontDoorClient } from '../base/front-door.ts'
import type { Logger } from '../base/log.ts'
import { auth } from './auth.ts'
import { limitBody } from './body-limit.ts'
import { containErrors } from './contain-errors.ts'
import { crossSite } from './cross-site.ts'
import { deadLetterRoutes } from './dead-letters.ts'
import { health } from './health.ts'
import { answerNotFound } from './not-found.ts'
import { ownHost } from './own-host.ts'
import { answerError } from './problem.ts'
import { requestContext } from './request-context.ts'
import { responseHeaders } from './response-headers.ts'
import type { Mount } from './routes.ts'
import { workerRoutes } from './workers.ts'

export interface AppOptions {
  config: Pick<Config, 'apiKeys'>
  log: Logger
  client: FrontDoorClient
  deadLetters: DeadLetters
  fleet: Fleet
  /** What the files in `workers/` say. */
  workers: Pick<ProjectWorkers, 'broken'>
  /** What `projectId` makes of the project's folder. */
  project: string
  /** The user's routes, as `loadRoutes` found them. */
  routes: readonly Mount[]
}

/** The front door: what every request passes, in this order, then Warren's own routes, then the user's. */
export function createApp({
  config,
  log,
  client,
  deadLetters,
  fleet,
  workers,
  project,
  routes,
}: AppOptions): Hono<FrontDoor> {
  const app = new Hono<FrontDoor>()
    .use(requestContext(log, client))
    .use(responseHeaders())
    .use(ownHost(config.apiKeys))
    .use(crossSite(config.apiKeys))
    .use(auth(config.apiKeys))
    .use(limitBody())
    .use(containErrors())
    .route('/', health(client, project))
    .route('/', deadLetterRoutes(deadLetters, client, workers))
    .route('/', workerRoutes(fleet, client, workers))

  for (const { path, app: routed } of routes) app.route(path, routed)

  return app.notFound(answerNotFound(app)).onError(answerError)
}
