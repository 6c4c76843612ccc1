// The embedded broker beside RabbitMQ: durable queues of type quorum, confirmed, 256-byte messages, amqplib clients in
// other processes. BENCH_ROUNDS is how often each is measured, in turn; ratios are taken round by round.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { noPrivateNode, noRabbitmq4, rabbitmq4Root } from '../helpers/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts'
import { freePort } from '../helpers/ports.ts'
import { launchRabbitmq } from '../helpers/rabbitmq.ts'
import { removeFolder } from '../helpers/tmp.ts'
import { accepting, type Client, peakMb, processorMs, residentMb, startClient } from './measure.ts'
import { quantile, spread } from './statistics.ts'
import { allMet, verdict } from './verdict.ts'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7)
const MESSAGES = Number(process.env.BENCH_MESSAGES ?? 60_000)
const BACKLOG = Number(process.env.BENCH_BACKLOG ?? 1_000_000)
const QUEUE = 'bench'

/** A broker that takes part. */
interface Side {
  readonly name: string
  readonly client: Client
  close(): Promise<void>
}

interface Sample {
  /** Messages a second. */
  publish: number
  consume: number
  /** Milliseconds. */
  p50: number
  p99: number
}

/** Prints what it measures. @returns whether all targets were met */
export async function bench(): Promise<boolean> {
  if (process.env.BENCH_ONLY !== 'absolute') await compare()
  if (process.env.BENCH_ONLY !== 'compare') {
    await startup()
    await idle()
    await backlog()
  }
  return allMet()
}

async function compare(): Promise<void> {
  const sides: Side[] = []
  try {
    sides.push(await embedded())
    for (const skipped of [noRabbitmq4, noPrivateNode]) if (skipped) console.log(skipped)
    if (!noRabbitmq4) sides.push(await rabbitmq(rabbitmq4Root))
    if (!noPrivateNode) sides.push(await rabbitmq())
    for (const side of sides) await sample(side)
    const samples = new Map<Side, Sample[]>(sides.map((side) => [side, []]))
    for (let round = 0; round < ROUNDS; round++) {
      // Each in turn is the first.
      for (let i = 0; i < sides.length; i++) {
        const side = sides[(round + i) % sides.length] as Side
        samples.get(side)?.push(await sample(side))
      }
    }
    report(samples)
  } finally {
    for (const side of sides) await side.close()
  }
}

function report(samples: ReadonlyMap<Side, Sample[]>): void {
  const [own = [], ...others] = samples.values()
  const names = [...samples.keys()].map(({ name }) => name)
  const keys = ['publish', 'consume', 'p50', 'p99'] as const
  for (const [side, list] of samples) {
    const figures = keys.map(
      (key) =>
        `${key} ${spread(
          list.map((s) => s[key]),
          key[0] === 'p' && key[1] !== 'u' ? 2 : 0,
        )}`,
    )
    console.log(`${side.name.padEnd(16)} ${figures.join(' | ')}`)
  }
  for (const [index, list] of others.entries()) {
    const name = names[index + 1] as string
    for (const key of keys) {
      const ratios = own.map((sample, round) => sample[key] / (list[round] as Sample)[key])
      const median = quantile(ratios, 0.5)
      // The targets are meant for the version that people should use.
      const target = !name.includes(' 4.') ? undefined : { publish: 1, consume: 1, p50: 0.8, p99: undefined }[key]
      const isMet = target === undefined || (key === 'p50' ? median <= target : median >= target)
      verdict(
        `${key} / ${name}: ${spread(ratios)}`,
        isMet,
        target === undefined ? '' : `${key === 'p50' ? '<=' : '>='} ${target}`,
      )
    }
  }
}

async function sample({ client }: Side): Promise<Sample> {
  await client.perform({ do: 'reset' })
  const [publish = 0] = await client.perform({ do: 'publish', count: MESSAGES })
  const [consume = 0] = await client.perform({ do: 'consume', count: MESSAGES })
  const times = await client.perform({ do: 'latency', count: 2_000, perSecond: 1_000 })
  const rate = (ms: number) => MESSAGES / (ms / 1_000)
  return { publish: rate(publish), consume: rate(consume), p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

async function embedded(): Promise<Side> {
  const { broker, close } = await ownBroker()
  const client = await startClient(broker.url, QUEUE)
  return {
    name: 'embedded',
    client,
    async close() {
      await client.end()
      await close()
    },
  }
}

async function rabbitmq(root?: string): Promise<Side> {
  const node = await launchRabbitmq({ root })
  const client = await startClient(node.url, QUEUE)
  return {
    name: node.name,
    client,
    async close() {
      await client.end()
      await node.close()
    },
  }
}

async function ownBroker(): Promise<{ broker: BrokerProcess; folder: string; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'warren-bench-'))
  const execArgv = process.env.BENCH_NODE_ARGS?.split(' ') ?? []
  const broker = await startBrokerProcess({ folder, execArgv })
  return {
    broker,
    folder,
    async close() {
      await broker.stop()
      removeFolder(folder)
    },
  }
}

/** From the start of the process to the first connection that is accepted. */
async function startup(): Promise<void> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const folder = mkdtempSync(join(tmpdir(), 'warren-bench-'))
    const port = await freePort()
    const start = performance.now()
    const starting = startBrokerProcess({ folder, port })
    await accepting(port)
    times.push(performance.now() - start)
    await (await starting).kill()
    removeFolder(folder)
  }
  verdict(`ready to accept: ${spread(times, 0)} ms`, quantile(times, 0.5) <= 300, '<= 300')
}

async function idle(): Promise<void> {
  const { broker, close } = await ownBroker()
  await pause(1_000)
  const before = processorMs(broker.pid)
  await pause(10_000)
  const share = (processorMs(broker.pid) - before) / 100
  const mb = residentMb(broker.pid)
  await close()
  verdict(`idle: ${mb.toFixed(0)} MB`, mb < 80, '< 80')
  verdict(`idle: ${share.toFixed(2)} % of a processor`, share < 1, '< 1')
}

async function backlog(): Promise<void> {
  const { broker, close } = await ownBroker()
  const client = await startClient(broker.url, QUEUE)
  const rate = async (what: 'publish' | 'consume', count: number) =>
    count / (((await client.perform({ do: what, count })) as [number])[0] / 1_000)
  await client.perform({ do: 'reset' })
  const small: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await rate('publish', 10_000)
    small.push(await rate('consume', 10_000))
  }

  let [filled, drained] = [0, 0]
  const filling = await peakMb(broker.pid, async () => {
    filled = await rate('publish', BACKLOG)
  })
  const resting = await peakMb(broker.pid, () => pause(2_000))
  const draining = await peakMb(broker.pid, async () => {
    drained = await rate('consume', BACKLOG)
  })
  await client.end()
  await close()
  const peaks = [filling, resting, draining].map((mb) => mb.toFixed(0))
  verdict(
    `${BACKLOG} messages: ${peaks.join(', ')} MB filling, idle, draining`,
    Math.max(filling, resting, draining) < 400,
    '< 400',
  )
  const ratio = drained / quantile(small, 0.5)
  console.log(`filled at ${filled.toFixed(0)}/s, drained at ${drained.toFixed(0)}/s; 10,000 at ${spread(small, 0)}/s`)
  verdict(`drain rate, of a small queue's: ${ratio.toFixed(2)}`, ratio >= 0.9, '>= 0.9')
}
