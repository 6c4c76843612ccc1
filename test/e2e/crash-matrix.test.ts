import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConfirmChannel } from 'amqplib'
import type { Test } from 'tap'
import { z } from 'zod'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import { UnavailableError, UnroutableError } from '../../supervisor/base/errors.ts'
import { onEveryBroker } from '../contract/brokers.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { type Passing, startFrameProxy } from '../helpers/frame-proxy.ts'
import { bench, unique } from '../helpers/messaging.ts'
import type { Broker } from '../helpers/rabbitmq.ts'
import { randomFrom } from '../helpers/random.ts'
import { superviseWorker } from '../helpers/supervised-worker.ts'
import { until } from '../helpers/until.ts'

// @counts-messages
// @long

// Nothing is lost, whatever ends at whatever step. `npm run test:matrix` has 10,000 messages and 60 faults for each broker.
const MESSAGES = Number(process.env.WARREN_MESSAGES ?? 900)
const FAULTS = Number(process.env.WARREN_FAULTS ?? 18)
const SEED = Number(process.env.WARREN_SEED ?? 1)
/** Octets beside the number: around what goes out in one piece, and in one frame. */
const SIZES = [0, 0, 0, 100, 8_100, 8_192, 9_000, 20_000, 65_500, 131_000, 131_072, 300_000]
/** Every so many steps a message without a body is among the others: it can never be handled. */
const EMPTY_EVERY = 5
/** Every so many a message fails its first attempt, and every so many all of them. */
const FAILS_ONCE = 4
const FAILS_ALWAYS = 45

const worker = (queue: string) => `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker, UnrecoverableError } from 'warren'
import { z } from 'zod'

const address = defineQueue('${queue}', { data: z.object({ n: z.int(), pad: z.string() }) })

export default defineWorker(address, {
  concurrency: 20,
  attempts: 12,
  backoff: { type: 'fixed', delay: 100 },
  handler: async ({ n, pad }, { attempt }) => {
    process.send('started')
    if (pad !== String(n % 10).repeat(pad.length)) throw new UnrecoverableError('damaged')
    await sleep(2)
    if (n % ${FAILS_ALWAYS} === 0) throw new Error('never')
    if (n % ${FAILS_ONCE} === 0 && attempt === 1) throw new Error('not yet')
    appendFileSync('handled', n + '\\n')
    process.send('ready')
  },
})
`

const padOf = (n: number) => String(n % 10).repeat(SIZES[n % SIZES.length] as number)

type Step = Exclude<Passing, 'other'> | 'started' | 'ready' | 'broker' | 'anywhere'
interface Fault {
  readonly step: Step
  readonly side: 'before' | 'after'
  /** The worker's process is killed, or the connection alone is cut. */
  readonly how: 'kill' | 'cut'
}

/** Each step with each side and way at least once where there are enough, in a random order; then again. */
function faults(count: number, number: (below: number) => number): Fault[] {
  const steps = ['deliver', 'publish', 'confirm', 'ack'] as const
  const all: Fault[] = (['before', 'after'] as const).flatMap((side) =>
    steps.flatMap((step) => (['kill', 'cut'] as const).map((how) => ({ step, side, how }))),
  )
  all.push({ step: 'started', side: 'after', how: 'kill' }, { step: 'ready', side: 'after', how: 'kill' })
  const chosen = Array.from({ length: count }, (_, i): Fault => {
    if (i >= all.length && i % 3 === 0) return { step: 'anywhere', side: i % 2 ? 'before' : 'after', how: 'cut' }
    return all[i % all.length] as Fault
  })
  const shuffled = chosen.map((fault) => ({ fault, at: number(1e9) })).sort((a, b) => a.at - b.at)
  return shuffled.map(({ fault }) => fault)
}

onEveryBroker(`${MESSAGES} messages through ${FAULTS} faults`, 120_000 + FAULTS * 30_000, async (t, { start }) =>
  matrix(t, await start(t)),
)

async function matrix(t: Test, broker: Broker): Promise<void> {
  const random = randomFrom(SEED)
  const number = (below: number) => Math.floor(random() * below)
  const name = unique('matrix')
  const root = compiledProject(t, { 'workers/step.ts': worker(name) })
  const address = defineQueue(name, { data: z.object({ n: z.int(), pad: z.string() }) })
  const { client, channel } = bench(t, broker.url)
  const url = new URL(broker.url)
  const proxy = await startFrameProxy(t, Number(url.port))
  url.port = String(proxy.port)

  let strike: ((step: string) => void) | undefined
  const supervised = superviseWorker(t, {
    root,
    name: 'step',
    url: url.href,
    onMessage: (message) => strike?.(String(message)),
  })
  const sender = await client()
  const { send } = sender.bus()

  let sent = 0
  async function sendSome(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => deliver(sent++)))
  }

  // What was not confirmed is sent again, with the same id.
  async function deliver(n: number): Promise<void> {
    for (;;) {
      try {
        await send(address, { n, pad: padOf(n) }, { id: String(n) })
        return
      } catch (error) {
        if (!(error instanceof UnavailableError || error instanceof UnroutableError)) throw error
        await sleep(50)
      }
    }
  }

  /** Resolves when the fault has struck. */
  async function happen({ step, side, how }: Fault): Promise<void> {
    let left = 1 + number(step === 'anywhere' ? 200 : 20)
    let isAny = step === 'anywhere'
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`expected '${step}' to happen within 120 s, it did not`)), 120_000)
      // A busy broker confirms many with one frame: where there are too few of them, it strikes at whatever comes next.
      const scarce = setTimeout(() => {
        left = 1
        isAny = true
      }, 10_000)
      const struck = () => {
        clearTimeout(late)
        clearTimeout(scarce)
        proxy.onFrame = undefined
        strike = undefined
        if (how === 'kill') supervised.kill()
        resolve()
      }
      if (step === 'started' || step === 'ready') {
        strike = (told) => told === step && --left <= 0 && struck()
      } else {
        proxy.onFrame = (frame) => {
          if (!(isAny || frame === step) || --left > 0) return undefined
          struck()
          return side
        }
      }
    })
  }

  const empty: string[] = []
  async function sendEmpty(): Promise<void> {
    // A connection of its own for each: the last one may have gone with the broker.
    const raw = (await channel()) as ConfirmChannel
    const messageId = `empty-${empty.length}`
    raw.sendToQueue(name, Buffer.alloc(0), { persistent: true, messageId })
    await raw.waitForConfirms()
    empty.push(messageId)
  }

  const each = Math.floor(MESSAGES / FAULTS)
  await sendSome(each)
  for (const [i, fault] of faults(FAULTS, number).entries()) {
    const striking = happen(fault)
    const sending = sendSome(i === FAULTS - 1 ? MESSAGES - sent : Math.min(each, MESSAGES - sent))
    await striking
    // One in twelve takes the broker away as well. RabbitMQ 3.10 does not bear a kill soon after a declaration.
    if (i % 12 === 8) {
      await (broker.name.includes('3.10') ? broker.stop() : broker.kill())
      await broker.start()
    }
    await sending
    if (i % EMPTY_EVERY === 0) await sendEmpty()
  }

  const handled = () => {
    const path = join(root, 'handled')
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').map(Number) : []
  }
  const numbers = Array.from({ length: MESSAGES }, (_, n) => n)
  const good = numbers.filter((n) => n % FAILS_ALWAYS !== 0)
  const bad = numbers.filter((n) => n % FAILS_ALWAYS === 0)
  const lost = () => {
    const done = new Set(handled())
    return good.filter((n) => !done.has(n))
  }
  await until(() => lost().length === 0, { what: 'every message to be handled', timeout: 300_000, interval: 200 })

  const raw = await channel()
  const dead = new Map<string, string>()
  const expected = [...bad.map((n) => [String(n), 'failed'] as const), ...empty.map((id) => [id, 'invalid'] as const)]
  await until(
    async () => {
      const letter = await raw.get(`${name}.dead`, { noAck: true })
      if (letter) dead.set(letter.properties.messageId, String(letter.properties.headers?.['x-dead-reason']))
      return dead.size >= expected.length
    },
    { what: `${expected.length} dead letters`, timeout: 300_000 },
  )
  await supervised.stop()

  t.same(new Map([...dead].sort()), new Map([...expected].sort()), 'what can never be handled, and nothing else')
  t.same(lost(), [], 'lost: none')
  t.comment(`${handled().length - good.length} were handled more than once; ${supervised.ended} processes were killed`)
}
