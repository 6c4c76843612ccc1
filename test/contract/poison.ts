import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { z } from 'zod'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { bench, unique } from '../helpers/messaging.ts'
import { superviseWorker } from '../helpers/supervised-worker.ts'
import { until } from '../helpers/until.ts'

const GOOD = 400

/** Notes what it has handled. What is poison ends the process at once, with many others in its hands. */
const worker = (queue: string) => `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

const address = defineQueue('${queue}', { data: z.object({ n: z.int(), how: z.string() }) })

export default defineWorker(address, {
  concurrency: 50,
  attempts: 3,
  backoff: { type: 'fixed', delay: 100 },
  handler: async ({ n, how }) => {
    if (how === 'exit') process.exit(1)
    if (how === 'abort') process.abort()
    if (how === 'kill') process.kill(process.pid, 'SIGKILL')
    await sleep(2)
    appendFileSync('handled', n + '\\n')
  },
})
`

/** What a message that ends its process is, on any broker. */
export async function poison(t: Test, url: string): Promise<void> {
  for (const how of ['exit', 'abort', 'kill']) {
    t.test(`one message whose handler ends its process (${how}) is the only dead letter of ${GOOD + 1}`, async (t) => {
      const name = unique('poison')
      const root = compiledProject(t, { 'workers/risky.ts': worker(name) })
      const { client, channel } = bench(t, url)
      const address = defineQueue(name, { data: z.object({ n: z.int(), how: z.string() }) })
      const { send } = (await client()).bus()
      const numbers = Array.from({ length: GOOD + 1 }, (_, n) => n)
      const bad = 300
      await Promise.all(numbers.map((n) => send(address, { n, how: n === bad ? how : 'good' }, { id: `${n}` })))

      const supervised = superviseWorker(t, { root, name: 'risky', url })
      const handled = () => linesOf(root).map(Number)
      const raw = await channel()
      await until(() => new Set(handled()).size >= GOOD, { what: 'all others to be handled', timeout: 120_000 })
      const ready = async (queue: string) => (await raw.checkQueue(queue)).messageCount
      await until(async () => (await ready(`${name}.dead`)) > 0 && (await ready(`${name}.suspects`)) === 0, {
        what: 'the dead letter, and the end of its neighbours',
        timeout: 120_000,
      })
      await supervised.stop()

      t.same(new Set(handled()), new Set(numbers.filter((n) => n !== bad)))
      t.equal(await ready(name), 0)
      t.equal(await ready(`${name}.suspects`), 0)
      t.equal(await ready(`${name}.dead`), 1)
      const dead = await raw.get(`${name}.dead`, { noAck: true })
      if (!dead) return t.fail('expected a dead letter')
      t.equal(dead.properties.messageId, `${bad}`)
      t.match(dead.properties.headers, {
        'x-dead-reason': 'killed',
        'x-dead-error': 'KilledError',
        'x-dead-message': /killed the worker 3 times/,
        'x-dead-attempts': 3,
      })
      // The other ends are those of its sandbox, where it was found out by halves and then had its attempts alone.
      // On a busy machine it may have been alone at the first one.
      t.ok(supervised.ended <= 2, `${supervised.ended} times among others, of at most 2`)
      t.comment(`${handled().length - GOOD} of the others were handled more than once`)
    })
  }

  t.test(
    'an error of any make, or one that nobody catches, fails its message alone; the process goes on',
    async (t) => {
      const name = unique('uncaught')
      const root = compiledProject(t, { 'workers/risky.ts': uncaught(name) })
      const { client, channel } = bench(t, url)
      const { send } = (await client()).bus()
      const address = defineQueue(name, { data: z.object({ n: z.int(), how: z.string() }) })
      const numbers = Array.from({ length: 40 }, (_, n) => n)
      const bad = new Map([
        [7, 'throw'],
        [8, 'odd'],
        [9, 'forget'],
        [10, 'microtask'],
      ])
      await Promise.all(numbers.map((n) => send(address, { n, how: bad.get(n) ?? 'good' }, { id: `${n}` })))
      const supervised = superviseWorker(t, { root, name: 'risky', url })
      const raw = await channel()
      await until(async () => (await raw.checkQueue(`${name}.dead`)).messageCount >= 4, { what: 'the dead letters' })
      await until(() => linesOf(root).length >= 36, { what: 'the others' })
      t.equal(supervised.ended, 0)
      await supervised.stop()
      t.same(
        linesOf(root).sort(),
        numbers
          .filter((n) => !bad.has(n))
          .map(String)
          .sort(),
        'each of the others once',
      )
      const dead = new Map<unknown, unknown>()
      for (let i = 0; i < 4; i++) {
        const letter = await raw.get(`${name}.dead`, { noAck: true })
        if (letter) dead.set(letter.properties.messageId, letter.properties.headers)
      }
      const failed = { 'x-dead-reason': 'failed', 'x-dead-attempts': 2 }
      t.match(dead.get('7'), { ...failed, 'x-dead-message': 'in a timer' })
      t.match(dead.get('8'), { ...failed, 'x-dead-error': 'TypeError', 'x-dead-message': 'parsed', 'x-dead-stack': '' })
      t.match(dead.get('9'), { ...failed, 'x-dead-error': 'ValidationError', 'x-dead-message': /found a Map/ })
      t.match(dead.get('10'), { ...failed, 'x-dead-message': 'in a microtask' })
    },
  )

  t.test('after two processes that ended early the next one takes one message, until it is handled', async (t) => {
    const name = unique('careful')
    const root = compiledProject(t, { 'workers/careful.ts': careful(name) })
    // As two processes leave it.
    mkdirSync(join(root, 'data/instances'), { recursive: true })
    writeFileSync(join(root, 'data/instances/careful-0'), '2')
    const { client, channel } = bench(t, url)
    const { send } = (await client()).bus()
    const address = defineQueue(name, { data: z.object({ n: z.int() }) })
    await Promise.all(Array.from({ length: CAREFUL }, (_, n) => send(address, { n })))
    let started = 0
    const env = { DATA_DIR: join(root, 'data'), pm_id: undefined }
    const onMessage = (message: unknown) => void (message === 'started' && started++)
    const supervised = superviseWorker(t, { root, name: 'careful', url, env, onMessage })
    const raw = await channel()
    await until(() => started > 0, { what: 'the first message' })
    t.equal((await raw.checkQueue(name)).messageCount, CAREFUL - 1, 'the others wait in their queue')
    supervised.tell('go')
    await until(() => started === CAREFUL, { what: 'the others, together' })
    t.notOk(existsSync(join(root, 'data/instances/careful-0')), 'and the next process is not careful')
    await supervised.stop()
  })
}

const CAREFUL = 5

/** The first handler waits until it is told to end, and the others for all of them to have started. */
const careful = (queue: string) => `
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

let started = 0
const going = new Promise((resolve) => process.on('message', (message) => message === 'go' && resolve(undefined)))
let all = () => {}
const together = new Promise((resolve) => { all = resolve })

export default defineWorker(defineQueue('${queue}', { data: z.object({ n: z.int() }) }), {
  concurrency: ${CAREFUL},
  handler: async () => {
    const isFirst = ++started === 1
    process.send('started')
    if (started === ${CAREFUL}) all()
    await (isFirst ? going : together)
  },
})
`

const linesOf = (root: string) =>
  existsSync(join(root, 'handled')) ? readFileSync(join(root, 'handled'), 'utf8').trim().split('\n') : []

/** Throws in a timer, or what no header can carry, or forgets an `await`, while the others take a while. */
const uncaught = (queue: string) => `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

const address = defineQueue('${queue}', { data: z.object({ n: z.int(), how: z.string() }) })
const other = defineQueue('${queue}-other', { data: z.object({ any: z.any() }) })

export default defineWorker(address, {
  concurrency: 20,
  attempts: 2,
  backoff: { type: 'fixed', delay: 100 },
  handler: async ({ n, how }, { bus }) => {
    if (how === 'odd') throw Object.freeze(Object.assign(new TypeError('parsed'), { stack: [{ at() {} }] }))
    if (how === 'forget') {
      void bus.send(other, { any: new Map() })
      await sleep(60_000)
    }
    if (how === 'microtask') {
      queueMicrotask(() => {
        throw new Error('in a microtask')
      })
      await sleep(60_000)
    }
    if (how === 'throw') {
      setTimeout(() => {
        throw new Error('in a timer')
      }, 20)
      await sleep(60_000)
    }
    await sleep(200)
    appendFileSync('handled', n + '\\n')
  },
})
`
