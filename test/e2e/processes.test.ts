import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { testBroker } from '../helpers/broker.ts'
import { startFlixTube } from '../helpers/flixtube.ts'
import { until } from '../helpers/until.ts'

// @counts-messages

t.setTimeout(600_000)

/** Takes its time, and notes what it has done: the batch, the number, its process. */
const WORKER = `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

export const step = defineQueue('step', { data: z.object({ batch: z.string(), n: z.int() }) })

export default defineWorker(step, {
  concurrency: 5,
  handler: async ({ batch, n }) => {
    await sleep(20)
    appendFileSync('steps', \`\${batch} \${n} \${process.pid}\\n\`)
  },
})
`

const ROUTE = `
import { Hono } from 'hono'
import type { FrontDoor } from 'warren'
import { step } from '../workers/step.ts'

// @long

export default new Hono<FrontDoor>().post('/:batch/:from', async (c) => {
  const { batch, from } = c.req.param()
  const numbers = Array.from({ length: 100 }, (_, i) => Number(from) + i)
  await Promise.all(numbers.map((n) => c.var.bus.send(step, { batch, n })))
  return c.body(null, 202)
})
`

const broker = await testBroker(t)
const flixtube = await startFlixTube(t, {
  amqpUrl: broker.url,
  files: { 'workers/step.ts': WORKER, 'routes/steps.ts': ROUTE },
})
t.equal((await flixtube.pm2('scale', 'step', '2')).code, 0)

/**
 * Sends messages, so that there are always some to handle; after the first hundred lets something happen. Goes on until
 * that is over, and for two hundred more, 500 at least; then waits until all are handled.
 */
async function inTheMiddle(batch: string, happen: () => unknown) {
  let sent = 0
  let goal = Number.POSITIVE_INFINITY
  const numbers = () => new Set(stepsOf(batch).map(({ n }) => n))
  const happening = until(() => numbers().size >= 100, { what: '100 messages to be handled' })
    .then(happen)
    .finally(() => {
      goal = Math.max(500, sent + 200)
    })
  happening.catch(() => {}) // awaited below
  while (sent < goal) {
    const { status } = await fetch(`${flixtube.url}/steps/${batch}/${sent}`, { method: 'POST' })
    if (status !== 202) throw new Error(`POST /steps was answered ${status}`)
    sent += 100
    await until(() => sent - numbers().size < 200, { what: 'messages to be handled', timeout: 30_000 })
  }
  await happening
  await until(() => numbers().size === sent, { what: `${sent} messages to be handled`, timeout: 30_000 })
  return { sent, handled: stepsOf(batch) }
}

function stepsOf(batch: string): { n: number; pid: number }[] {
  const file = join(flixtube.root, 'steps')
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
  return lines
    .map((line) => line.split(' '))
    .flatMap(([name, n, pid]) => (name === batch ? [{ n: Number(n), pid: Number(pid) }] : []))
}

const step = async () => (await flixtube.list()).filter(({ name }) => name === 'step')

t.test('an instance killed in the middle of 500 messages and more loses none, and comes back', async (t) => {
  const [victim, other] = await step()
  const kill = () => process.kill(victim?.pid as number, 'SIGKILL')
  const { sent, handled } = await inTheMiddle('killed', kill)
  t.ok(
    handled.some(({ pid }) => pid === victim?.pid),
    'it had a part',
  )
  const again = handled.length - sent
  t.ok(again <= 5, `${again} of ${sent} were handled twice: no more than it had at work`)

  const back = async () => (await step()).find(({ id, pid, status }) => id === victim?.id && pid && status === 'online')
  const restarted = await until(back, { what: 'pm2 to restart it' })
  t.not(restarted.pid, victim?.pid)
  t.equal(restarted.restarts, 1)
  t.match(
    (await step()).find(({ id }) => id === other?.id),
    { pid: other?.pid, restarts: 0 },
    'the other one went on',
  )

  const takesPart = () => stepsOf('after').some(({ pid }) => pid === restarted.pid)
  await inTheMiddle('after', () => until(takesPart, { what: 'it to take part again' }))
})

for (const command of ['restart', 'reload']) {
  t.test(`pm2 ${command} in the middle of 500 messages and more loses none`, async (t) => {
    const before = (await step()).map(({ pid }) => pid)
    let result: unknown
    const { sent, handled } = await inTheMiddle(command, async () => {
      result = await flixtube.pm2(command, 'step')
    })
    t.match(result, { code: 0 })
    t.equal(handled.length, sent, `none of ${sent} came twice: what an instance had begun it ended`)
    const after = (await step()).map(({ pid }) => pid)
    t.equal(after.length, 2)
    t.notOk(after.some((pid) => before.includes(pid)))
    t.ok(
      handled.some(({ pid }) => before.includes(pid)) && handled.some(({ pid }) => after.includes(pid)),
      'the old and the new instances both had a part',
    )
  })
}
