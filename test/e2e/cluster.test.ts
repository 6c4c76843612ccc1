import { join } from 'node:path'
import t from 'tap'
import { z } from 'zod'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import { rabbitmqRequired } from '../helpers/broker.ts'
import { noCluster, startCluster } from '../helpers/cluster.ts'
import { followCurve } from '../helpers/curve.ts'
import { createMachine, type TestMachine } from '../helpers/machine.ts'
import { bench } from '../helpers/messaging.ts'
import { promised } from '../helpers/promised.ts'
import type { RabbitmqNode } from '../helpers/rabbitmq.ts'
import { followHandled, startLoad } from '../helpers/steady-load.ts'
import { temporaryFolder } from '../helpers/tmp.ts'
import { until } from '../helpers/until.ts'

// @counts-messages
// @long

// Several machines on one cluster, whatever of them goes away. `npm run test:cluster` has 20,000 messages.
const MESSAGES = Number(process.env.WARREN_MESSAGES ?? 2_000)
/** Instances, over all machines. */
const MAX = 6
const HALF = MAX / 2
/** What keeps all of them busy. */
const BACKLOG = MAX * 50 + 200
/** Milliseconds for a machine that has gone without a word to be missed. */
const NOTICED = 10_000
/** Milliseconds for its share to be with the other; with little else to do, this is less than the above as well. */
const TAKEN_OVER = 15_000
/** Milliseconds that there may be more than MAX: one machine starts what the other is about to end. */
const TOO_MANY = 8_000

const CONCURRENCY = Math.max(2, Math.round(MESSAGES / 2_500))
const worker = (handled: string) => `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

const address = defineQueue('work', { data: z.object({ n: z.int() }) })

export default defineWorker(address, {
  concurrency: ${CONCURRENCY},
  scale: { min: 0, max: ${MAX}, messagesPerInstance: 50, cooldown: '5s' },
  handler: async (_, { id }) => {
    await sleep(250)
    appendFileSync('${handled}', id + ' ' + process.env.MACHINE + '\\n')
  },
})
`

if (noCluster && rabbitmqRequired()) throw new Error(noCluster)
t.setTimeout(600_000)

t.test('two machines on a cluster of three nodes', { skip: noCluster }, async (t) => {
  t.setTimeout(600_000)
  const cluster = await startCluster(t)
  t.comment(`${MESSAGES} messages on ${cluster.name}`)
  const { urls } = cluster
  const file = join(temporaryFolder(t), 'handled')
  const source = worker(file)
  const [a, b] = [await machine('a'), await machine('b')]
  const handled = followHandled(file)
  const curve = followCurve(async () => {
    handled.read()
    return [await a.instances(), await b.instances()]
  })
  t.teardown(curve.end)
  t.teardown(() => t.comment(`Instances over time: ${curve}`))

  const began = performance.now()
  const address = defineQueue('work', { data: z.object({ n: z.int() }) })
  const client = await bench(t, '').client({ url: urls.join() })
  const { send } = client.bus()
  const load = startLoad({ send: (n) => send(address, { n }, { id: String(n) }), handled, backlog: BACKLOG })

  function machine(name: string): Promise<TestMachine> {
    return createMachine(t, { name, urls, worker: 'work', source })
  }

  /** Waits until they have so many. @returns milliseconds */
  async function have(ofA: number, ofB: number, timeout = 60_000): Promise<number> {
    const since = performance.now()
    await until(async () => (await a.instances()) === ofA && (await b.instances()) === ofB, {
      what: `${ofA} instances on one machine and ${ofB} on the other`,
      timeout,
    })
    return Math.round(performance.now() - since)
  }

  /** Waits until that many more have been handled. @returns milliseconds */
  async function progress(count: number): Promise<number> {
    const since = performance.now()
    const goal = handled.count + count
    await until(() => handled.count >= goal, { what: `${count} more handled messages`, timeout: 120_000 })
    return Math.round(performance.now() - since)
  }

  const said = (one: TestMachine, pattern: RegExp) => one.decisions().filter(({ msg }) => pattern.test(msg)).length

  t.comment('Two machines share what there is to do.')
  await Promise.all([a.start(), b.start()])
  t.comment(`${HALF} instances on each machine ${await have(HALF, HALF)} ms after both had started`)
  const replicas = Object.values(await cluster.replicas())
  t.ok(replicas.length > 0)
  t.ok(
    replicas.every(({ members, online }) => members === 3 && online === 3),
    'each of the queues is on all nodes',
  )
  await progress(MESSAGES * 0.15)

  t.comment('The node that most connections use is killed.')
  const connections = await cluster.connections()
  const victim = cluster.nodes[connections.indexOf(Math.max(...connections))] as RabbitmqNode
  const killedNode = performance.now()
  handled.takeLongestGap()
  await victim.kill()
  await progress(MESSAGES * 0.2)
  t.comment(`of ${connections} connections; no message was handled for at most ${handled.takeLongestGap()} ms`)
  t.equal(said(a, /silent|left/) + said(b, /silent|left/), 0, 'neither machine took the other for gone')
  await have(HALF, HALF)
  t.comment(`at least ${curve.leastSince(killedNode)} instances meanwhile; sent again: ${JSON.stringify(load.resent)}`)

  t.comment('One machine is killed.')
  const killed = performance.now()
  await b.crash()
  await until(async () => (await a.instances()) > HALF, { what: 'the other to start one more', timeout: 30_000 })
  const noticed = Math.round(performance.now() - killed)
  promised(t, noticed, NOTICED, 'the other begins to take over its share')
  await have(MAX, 0)
  const tookOver = Math.round(performance.now() - killed)
  promised(t, tookOver, TAKEN_OVER, 'and has all of it')
  t.equal(said(a, /silent/), 1)
  await progress(MESSAGES * 0.15)

  t.comment('Both the node and the machine are back.')
  await victim.start()
  await b.start()
  t.comment(`shared again ${await have(HALF, HALF)} ms after it was back`)
  await progress(MESSAGES * 0.1)

  t.comment('One machine is stopped in good order.')
  const stopping = b.npm('stop')
  await until(async () => !(await b.pids()).autoscaler, { what: 'the autoscaler to end', timeout: 30_000 })
  const left = performance.now()
  await until(async () => (await a.instances()) > HALF, { what: 'the other to start one more', timeout: 30_000 })
  const handedOver = Math.round(performance.now() - left)
  promised(t, handedOver, 3_000, 'the other starts the first one')
  t.equal(said(a, /silent/), 1, 'and not for a silence')
  t.equal((await stopping).code, 0)
  t.comment(`all of them ${await have(MAX, 0)} ms after the stop`)

  await load.end(MESSAGES)
  const lost = () => Array.from({ length: load.confirmed }, (_, n) => String(n)).filter((id) => !handled.times.has(id))
  await until(() => lost().length === 0, { what: 'every message to be handled', timeout: 120_000 }).catch(() => {})
  t.same(lost().slice(0, 20), [], 'lost: none')
  const took = Math.round((performance.now() - began) / 1_000)
  const twice = handled.count - handled.times.size
  t.comment(`${load.confirmed} messages were confirmed and handled in ${took} s, ${twice} of them more than once`)
  t.comment(`by machine: ${JSON.stringify(handled.byMachine)}; sent again: ${JSON.stringify(load.resent)}`)
  t.comment(`the longest wait for a confirm took ${load.longestWait} ms`)

  const empty = performance.now()
  await have(0, 0)
  t.comment(`asleep ${Math.round(performance.now() - empty)} ms after the last message`)
  const above = curve.longestAbove(MAX)
  t.comment(`more than ${MAX} instances for at most ${above} ms`)
  promised(t, above, TOO_MANY, `more than ${MAX} at once`)
})
