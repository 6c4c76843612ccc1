import { setTimeout as pause } from 'node:timers/promises'
import { type BrokerProcess, startBrokerProcess } from '../../helpers/broker-process.ts'
import { freePort } from '../../helpers/ports.ts'
import { type Teardown, temporaryFolder } from '../../helpers/tmp.ts'
import { accepting, peakMb, processorMs, residentMb, startClient } from '../measure.ts'
import type { Scenario } from '../scenario.ts'
import type { Services } from '../services.ts'
import { quantile } from '../statistics.ts'
import { withTeardown } from '../teardown.ts'

const BACKLOG = 1_000_000
const SMALL_QUEUE = 10_000
const QUEUE = 'bench-embedded'
/** Milliseconds: until it is idle, how long it is looked at, and how long it has its backlog. */
const [SETTLE, IDLE, REST] = [1_000, 10_000, 2_000]
/** In a small run. */
const SHORTLY = 200
/** What processor time is counted in, in ms. */
const TICK = 10

type Figures = Record<string, number>

/** The embedded broker alone, as a process. */
export const embedded: Scenario = {
  name: 'embedded',
  title:
    `The embedded broker by itself: from the start of its process to its first connection, ${IDLE / 1_000} s without ` +
    'work, and 1,000,000 messages of 256 bytes that are published, wait, and are consumed.',
  measures: [
    { name: 'ready to accept', unit: 'ms', better: 'less', targets: [{ value: 300 }] },
    { name: 'idle memory', unit: 'MB', better: 'less', targets: [{ value: 80 }] },
    { name: 'idle', unit: '% of a processor', better: 'less', digits: 2, targets: [{ value: 1 }] },
    { name: 'memory with a backlog', unit: 'MB', better: 'less', targets: [{ value: 400 }] },
    {
      name: 'drain rate of a backlog',
      unit: 'times that of a small queue',
      better: 'more',
      digits: 2,
      targets: [{ value: 0.9 }],
    },
  ],
  async open(services) {
    // A process of its own each time: there is nothing to warm up.
    return [{ name: 'embedded', warmUp: async () => {}, sample: () => withTeardown((t) => sampleOf(services, t)) }]
  },
}

async function sampleOf(services: Services, t: Teardown): Promise<Figures> {
  const [folder, port] = [temporaryFolder(t, 'warren-bench-'), await freePort()]
  const start = performance.now()
  const starting = startBrokerProcess({ folder, port })
  t.teardown(async () => (await starting).stop())
  await accepting(port)
  const ready = performance.now() - start
  const broker = await starting
  return { 'ready to accept': ready, ...(await idle(services, broker)), ...(await backlog(services, broker, t)) }
}

async function idle({ shrink }: Services, { pid }: BrokerProcess): Promise<Figures> {
  const [settle, length] = shrink > 1 ? [SHORTLY, SHORTLY] : [SETTLE, IDLE]
  await pause(settle)
  const before = processorMs(pid)
  await pause(length)
  // No less than can be told.
  const used = Math.max(processorMs(pid) - before, TICK)
  return { 'idle memory': residentMb(pid), idle: (used / length) * 100 }
}

async function backlog({ shrink, size }: Services, { pid, url }: BrokerProcess, t: Teardown): Promise<Figures> {
  const client = await startClient(url, QUEUE)
  t.teardown(client.end)
  async function rate(what: 'publish' | 'consume', count: number): Promise<number> {
    const [ms = Number.NaN] = await client.perform({ do: what, count })
    return count / (ms / 1_000)
  }

  await client.perform({ do: 'reset' })
  const small: number[] = []
  for (let i = 0; i < 5; i++) {
    await rate('publish', size(SMALL_QUEUE))
    small.push(await rate('consume', size(SMALL_QUEUE)))
  }
  let drained = 0
  const peak = await peakMb(pid, async function fillAndDrain() {
    await rate('publish', size(BACKLOG))
    await pause(shrink > 1 ? SHORTLY : REST)
    drained = await rate('consume', size(BACKLOG))
  })
  return { 'memory with a backlog': peak, 'drain rate of a backlog': drained / quantile(small, 0.5) }
}
