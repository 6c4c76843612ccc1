import { Hono } from 'hono'
import { z } from 'zod'
import type { DeadLetters } from '../base/dead-letters.ts'
import { DeadLetterError } from '../base/errors.ts'
import type { ProjectWorkers } from '../base/fleet.ts'
import type { FrontDoor, FrontDoorClient } from '../base/front-door.ts'
import { askBroker } from './ask-broker.ts'
import { brokenOf, explainBroken } from './broken-workers.ts'
import { problem } from './problem.ts'
import { query } from './validate.ts'

const MAX_LIMIT = 1_000

const name = z.string().min(1)
const filter = z.strictObject({ worker: name.optional(), error: name.optional() })
const page = filter.extend({
  limit: z.coerce.number().int().min(1).max(MAX_LIMIT).default(50),
  after: name.optional(),
})
const one = z.strictObject({ worker: name.optional() })
const redriven = one.extend({ to: name.optional() })
const allRedriven = filter
  .extend({ to: name.optional() })
  .refine(({ worker, to }) => to === undefined || worker !== undefined, {
    path: ['worker'],
    message: 'expected the worker or orphan whose dead letters go to another one',
  })
// Not all of them at once: an id that is empty by mistake must not mean everything.
const all = z.strictObject({ worker: name })

/** What the codes of a DeadLetterError mean over HTTP. */
const STATUS = {
  WARREN_DEAD_LETTER_NOT_FOUND: [404, 'No such dead letter'],
  WARREN_DEAD_LETTER_WORKER: [404, 'No such worker'],
  WARREN_DEAD_LETTER_AMBIGUOUS: [409, 'Several dead letters'],
  WARREN_DEAD_LETTER_HELD: [409, 'No queue to go back to'],
  WARREN_DEAD_LETTER_GONE: [410, 'The page has gone'],
} as const

/**
 * `/dead-letters`: list and show them, send them back to their workers, remove them.
 * @param project names the workers whose dead letters can't be looked at, because their files are broken
 */
export function deadLetterRoutes(
  letters: DeadLetters,
  client: FrontDoorClient,
  project: Pick<ProjectWorkers, 'broken'>,
) {
  return new Hono<FrontDoor>()
    .use('/dead-letters/*', askBroker(client))
    .get('/dead-letters', query(page), async (c) => {
      const { worker, ...rest } = c.req.valid('query')
      const found = await explained(letters.list({ worker, ...rest }), worker)
      return c.json({ ...found, ...(worker === undefined && (await brokenOf(project))) })
    })
    .delete('/dead-letters', query(all), async (c) => {
      const { worker } = c.req.valid('query')
      return c.json({ removed: await explained(letters.purge(worker), worker) })
    })
    .post('/dead-letters/redrive', query(allRedriven), async (c) => {
      const { worker, error, to } = c.req.valid('query')
      const result = await explained(letters.redriveAll({ worker, error, to }), worker)
      return c.json({ ...result, ...(worker === undefined && (await brokenOf(project))) })
    })
    .get('/dead-letters/:id', query(one), async (c) => {
      const { worker } = c.req.valid('query')
      return c.json(await explained(letters.get(c.req.param('id'), worker), worker))
    })
    .post('/dead-letters/:id/redrive', query(redriven), async (c) => {
      const { worker, to } = c.req.valid('query')
      return c.json(await explained(letters.redrive(c.req.param('id'), worker, to), worker))
    })
    .delete('/dead-letters/:id', query(one), async (c) => {
      const { worker } = c.req.valid('query')
      return c.json(await explained(letters.remove(c.req.param('id'), worker), worker))
    })

  async function explained<T>(result: Promise<T>, worker: string | undefined): Promise<T> {
    try {
      return await result
    } catch (error) {
      if (!(error instanceof DeadLetterError)) throw error
      if (error.code === 'WARREN_DEAD_LETTER_WORKER') await explainBroken(project, worker)
      const [status, title] = STATUS[error.code as keyof typeof STATUS]
      throw problem(status, title, error.message, { cause: error })
    }
  }
}
