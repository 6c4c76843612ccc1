import { Hono } from 'hono'
import { z } from 'zod'
import type { DeadLetters } from '../base/dead-letters.ts'
import { DeadLetterError } from '../base/errors.ts'
import type { FrontDoor, FrontDoorClient } from '../base/front-door.ts'
import { askBroker } from './ask-broker.ts'
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

/** `/dead-letters`: list and show them, send them back to their workers, remove them. */
export function deadLetterRoutes(letters: DeadLetters, client: FrontDoorClient) {
  return new Hono<FrontDoor>()
    .use('/dead-letters/*', askBroker(client))
    .get('/dead-letters', query(page), async (c) => c.json(await explained(letters.list(c.req.valid('query')))))
    .delete('/dead-letters', query(all), async (c) => {
      return c.json({ removed: await explained(letters.purge(c.req.valid('query').worker)) })
    })
    .post('/dead-letters/redrive', query(filter), async (c) => {
      return c.json(await explained(letters.redriveAll(c.req.valid('query'))))
    })
    .get('/dead-letters/:id', query(one), async (c) => {
      return c.json(await explained(letters.get(c.req.param('id'), c.req.valid('query').worker)))
    })
    .post('/dead-letters/:id/redrive', query(one), async (c) => {
      return c.json(await explained(letters.redrive(c.req.param('id'), c.req.valid('query').worker)))
    })
    .delete('/dead-letters/:id', query(one), async (c) => {
      return c.json(await explained(letters.remove(c.req.param('id'), c.req.valid('query').worker)))
    })
}

async function explained<T>(result: Promise<T>): Promise<T> {
  try {
    return await result
  } catch (error) {
    if (!(error instanceof DeadLetterError)) throw error
    const [status, title] = STATUS[error.code as keyof typeof STATUS]
    throw problem(status, title, error.message, { cause: error })
  }
}
