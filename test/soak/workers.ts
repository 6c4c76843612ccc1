// The project that a soak runs: workers of every kind, which write down what they have handled.

const HEAD = `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineWorker } from 'warren'
import * as messages from './messages/soak.ts'

const note = (worker: string, id: string) => appendFileSync('handled-' + worker, id + '\\n')
void note, sleep
`

const CONTRACTS = `
import { defineFanout, defineQueue } from 'warren'
import { z } from 'zod'

const data = z.object({ n: z.int(), pad: z.string() })
export const good = defineQueue('good', { data, result: z.object({ n: z.int() }) })
export const flaky = defineQueue('flaky', { data })
export const bad = defineQueue('bad', { data })
export const relay = defineQueue('relay', { data })
export const thread = defineQueue('thread', { data })
export const poison = defineQueue('poison', { data })
export const event = defineFanout('event', { data })
`

const worker = (name: string, address: string, options: string, body: string) => `${HEAD}
export default defineWorker(messages.${address}, {
  ${options}
  handler: async ({ n, pad }, { id, attempt, bus, signal }) => {
    void [n, pad, id, attempt, bus, signal]
    ${body.replaceAll('NOTE', `note('${name}', id)`)}
  },
})
`

const FAST = "backoff: { type: 'fixed', delay: 200 },"

/** By file. */
export const SOURCES: Readonly<Record<string, string>> = {
  'workers/messages/soak.ts': CONTRACTS,
  'workers/good.ts': worker('good', 'good', 'concurrency: 20,', 'await sleep(n % 5)\n    NOTE\n    return { n }'),
  'workers/flaky.ts': worker(
    'flaky',
    'flaky',
    `attempts: 6, ${FAST}`,
    "if (attempt === 1 && n % 2 === 0) throw new Error('not yet')\n    NOTE",
  ),
  'workers/bad.ts': worker('bad', 'bad', `attempts: 2, ${FAST}`, "throw Object.freeze(new Error('never'))"),
  'workers/relay.ts': worker(
    'relay',
    'relay',
    `attempts: 100, ${FAST}`,
    'await bus.send(messages.good, { n, pad }, { id: `relayed-$' + '{id}` })\n    NOTE',
  ),
  'workers/thread.ts': worker(
    'thread',
    'thread',
    'threads: 1,',
    'for (let end = performance.now() + 3; performance.now() < end; );\n    NOTE',
  ),
  'workers/poison.ts': worker(
    'poison',
    'poison',
    `attempts: 2, concurrency: 5, ${FAST}`,
    "if (n % 2 === 0) process.kill(process.pid, 'SIGKILL')\n    await sleep(20)\n    NOTE",
  ),
  'workers/first.ts': worker('first', 'event', 'concurrency: 50,', 'NOTE'),
  'workers/second.ts': worker('second', 'event', 'concurrency: 3,', 'await sleep(2)\n    NOTE'),
  'routes/soak.ts': `
import { Hono } from 'hono'
import { body, type FrontDoor } from 'warren'
import { good } from '../workers/messages/soak.ts'

export default new Hono<FrontDoor>().post('/:id', body(good.data), async (c) => {
  await c.var.bus.send(good, c.req.valid('json'), { id: c.req.param('id') })
  return c.body(null, 202)
})
`,
}

/** The workers whose handlers note what they have handled, with the address that their messages are sent to. */
export const NOTING = {
  good: 'good',
  flaky: 'flaky',
  relay: 'relay',
  thread: 'thread',
  poison: 'poison',
  first: 'event',
  second: 'event',
} as const
