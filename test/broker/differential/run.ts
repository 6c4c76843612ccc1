import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Allowed } from './allowed.ts'
import { differences } from './compare.ts'
import { type Barrier, openSide, type Side } from './side.ts'
import { type ChannelIndex, EXCHANGES, type Program, QUEUES, SOON, type Step } from './step.ts'
import { openWire } from './wire.ts'

/** A broker that programs run on. */
export interface Party {
  readonly url: string
  readonly barrier: Barrier
  close(): Promise<void>
}

// How often the brokers are asked again whether they are done before a difference is believed, and with which pauses.
const PATIENCE = [5, 20, 50, 100, 200, 400]

/**
 * Connects to a broker. Its barrier is a confirmed publish to a quorum queue: RabbitMQ writes all of them to one log, so
 * what other quorum queues wrote before is done as well, and other programs' waits are shared.
 */
export async function openParty(url: string): Promise<Party> {
  const wire = await openWire(url)
  const queue = `barrier-${randomUUID()}`
  await wire.request('ChannelOpen', 1)
  const args = { 'x-queue-type': 'quorum', 'x-max-length': 1 }
  await wire.request('QueueDeclare', 1, { queue, durable: true, arguments: args })
  await wire.request('ConfirmSelect', 1)
  let sent = 0

  return {
    url,
    async barrier() {
      const mine = ++sent
      const from = wire.arrivals.length
      wire.publish(1, { routingKey: queue })
      await wire.arrival(({ fields }) => Number(fields.deliveryTag) >= mine, from, 'the barrier')
    },
    async close() {
      await wire.request('QueueDelete', 1, { queue })
      await wire.close()
    },
  }
}

/**
 * Runs a program on two brokers. Where a message takes two ways into one queue, or two queues' messages meet in a third,
 * their order is luck even on one broker, so a difference is believed only when the program shows one each of three times.
 * @param unstable told of each program that did not
 * @returns what they disagree about, with all that was done and seen; undefined when they agree
 */
export async function runOnBoth(
  program: Program,
  parties: readonly [Party, Party],
  { table, unstable }: { table?: readonly Allowed[]; unstable?: (difference: string) => void } = {},
): Promise<string | undefined> {
  const first = await runOnce(program, parties, { table })
  if (first === undefined) return undefined
  for (let again = 0; again < 2; again++) {
    if ((await runOnce(program, parties, { table })) !== undefined) continue
    unstable?.(first)
    return undefined
  }
  return first
}

interface RunOptions {
  readonly table?: readonly Allowed[] | undefined
  /** What is done to the brokers when the program's connections are closed, and what is left has not been looked at. */
  readonly interlude?: () => Promise<void>
}

/**
 * Runs a program on two brokers in lockstep.
 * @returns what they disagree about, with all that was done and seen; undefined when they agree
 */
export async function runOnce(
  program: Program,
  [a, b]: readonly [Party, Party],
  { table, interlude }: RunOptions = {},
): Promise<string | undefined> {
  const prefix = `d${randomUUID().slice(0, 8)}-`
  const sides = await Promise.all([openSide(a.url, prefix, a.barrier), openSide(b.url, prefix, b.barrier)])
  const done: string[] = []
  let different: string[] = []

  const both = (what: (side: Side) => Promise<void>) => Promise.all(sides.map(what))

  // Each message may go on to two more queues when it dies: one round a hop.
  async function agreed(rounds = 2): Promise<boolean> {
    for (let round = 0; round < rounds; round++) await both((side) => side.settle())
    for (const pause of PATIENCE) {
      different = differences(sides[0].observed, sides[1].observed, table)
      if (different.length === 0) return true
      await sleep(pause)
      await both((side) => side.settle())
    }
    different = differences(sides[0].observed, sides[1].observed, table)
    return different.length === 0
  }

  const clock = startClock()
  try {
    for (const written of program) {
      const step = written.op === 'settle' ? { ...written, on: whereToSettle(sides[0], written.on) } : written
      if (step.op === 'expire' || clock.isRunningOut()) {
        if (!clock.isRunning()) continue
        done.push(`(wait until what expires soon has expired)`)
        await clock.ranOut()
        if (!(await agreed(3))) break
      }
      const tags = step.op === 'settle' ? pick(sides, step) : [undefined, undefined]
      if (!tags || step.op === 'expire') continue
      done.push(JSON.stringify(tags[0] === undefined ? step : { ...step, tagOnA: tags[0] }))
      clock.sees(step)
      await Promise.all(sides.map((side, index) => side.perform(step, tags[index])))
      // Nothing tells when a broker has noticed that a connection is gone.
      if (step.op === 'cut') await sleep(20)
      if (!(await agreed(step.op === 'cut' ? 3 : 2))) break
    }
    if (different.length === 0) {
      // One after the other: what a channel hands back may go to another one's consumer.
      for (const on of [0, 1, 2] as const) {
        await both((side) => side.closeChannel(on))
        await agreed()
      }
      await both((side) => side.leave())
      await agreed()
      if (clock.isRunning()) await clock.ranOut()
      await interlude?.()
      await both((side) => side.drain(QUEUES))
      different = differences(sides[0].observed, sides[1].observed, table)
    }
  } finally {
    await both((side) => side.close(QUEUES, EXCHANGES))
  }
  return different.length === 0 ? undefined : report(done, different, sides)
}

/** The channel that a step settles on: the one that it names, or one that has something to settle. */
function whereToSettle(side: Side, wanted: ChannelIndex): ChannelIndex {
  return ([wanted, 0, 1, 2] as const).find((on) => side.outstanding(on).length > 0) ?? wanted
}

/**
 * The tags that a step settles on each side: those of the same delivery. Undefined where there is none to settle, or where
 * `multiple` would settle more on one side than on the other: between two queues' deliveries no order is promised.
 */
function pick(sides: readonly Side[], step: Step & { op: 'settle' }): number[] | undefined {
  const first = sides[0]?.outstanding(step.on) ?? []
  const chosen = first[step.pick % first.length]
  if (!chosen) return undefined
  const covered = sides.map((side) => {
    const outstanding = side.outstanding(step.on)
    const tag = outstanding.find(({ key }) => key === chosen.key)?.tag ?? 0
    const keys = outstanding.filter((other) => (step.multiple ? other.tag <= tag : other.tag === tag))
    return { tag, keys: keys.map(({ key }) => key).sort() }
  })
  const same = covered.every(({ keys }) => keys.length > 0 && String(keys) === String(covered[0]?.keys))
  return same ? covered.map(({ tag }) => tag) : undefined
}

/** Knows whether something expires soon, so that it can have expired on both brokers or on neither. */
function startClock() {
  let since: number | undefined
  const soon = (step: Step) => JSON.stringify(step).includes(String(SOON))

  let expiring = false
  return {
    sees(step: Step) {
      if (soon(step)) expiring = true
      if (expiring) since ??= performance.now()
    },
    isRunning: () => expiring,
    isRunningOut: () => since !== undefined && performance.now() - since > SOON / 2,
    async ranOut() {
      // What was used a moment ago has its whole time before it.
      await sleep(SOON * 1.25)
      since = undefined
    },
  }
}

function report(done: readonly string[], different: readonly string[], sides: readonly Side[]): string {
  const traces = sides.map(({ observed }, index) => {
    const lines = [...observed].sort().flatMap(([who, what]) => [`  ${who}`, ...what.map((line) => `    ${line}`)])
    return [`All that ${'AB'[index]} showed:`, ...lines].join('\n')
  })
  return [
    'The brokers disagree.',
    ...different.map((line) => `  ${line}`),
    'Done:',
    ...done.map((line) => `  ${line}`),
    ...traces,
  ].join('\n')
}
