// Everything at once, for as long as it is told: mixed traffic and sizes, messages that no Warren would send, kills of
// workers, broker and pm2's daemon, connections that are cut and that freeze, clocks that are set. `npm run test:soak`
// takes an hour, a third of it on each broker. Nothing is lost, nobody is stuck, memory stays flat, and no process is
// started anew but those that were killed. Without a word on how long it is short, on the embedded broker alone.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'amqplib'
import t, { type Test } from 'tap'
import { brokers } from '../contract/brokers.ts'
import { createMachine } from '../helpers/machine.ts'
import { bench } from '../helpers/messaging.ts'
import { startProxy, throughProxy } from '../helpers/proxy.ts'
import type { Broker } from '../helpers/rabbitmq.ts'
import { randomFrom } from '../helpers/random.ts'
import { until } from '../helpers/until.ts'
import { createFaults } from './faults.ts'
import { type Load, startLoad } from './load.ts'
import { watchProcesses } from './watch.ts'
import { NOTING, SOURCES } from './workers.ts'

// @long
// @counts-messages

const SECONDS = Number(process.env.WARREN_SOAK_SECONDS ?? 25)
const SEED = Number(process.env.WARREN_SEED ?? 7)
/** Kinds of brokers: by a part of their name; all of them where it is not set. */
const CHOSEN = process.env.WARREN_SOAK_BROKER
const chosen = brokers.filter(({ name }) =>
  CHOSEN ? name.includes(CHOSEN) : SECONDS > 120 || name.includes('embedded'),
)
const each = (SECONDS * 1_000) / chosen.length
/** Milliseconds for what is left to be done at the end. */
const SETTLE = 120_000
/** Messages that may be accepted and not handled yet. */
const BACKLOG = 2_000
/** How much larger a process may be in the last third than in the second; and megabytes that say nothing yet. */
const GROWTH = 1.25
const NOISE_MB = 30
/** Milliseconds until the processes have the size that they keep. */
const WARM = 300_000

t.setTimeout((each + SETTLE * 3) * chosen.length)
for (const { name, skip, start } of chosen) {
  t.test(`${Math.round(each / 1_000)} s of everything on ${name}, seed ${SEED}`, { skip }, async (t) => {
    t.setTimeout(each + SETTLE * 3)
    await soak(t, await start(t))
  })
}

async function soak(t: Test, broker: Broker): Promise<void> {
  const random = randomFrom(SEED)
  const proxy = await startProxy(t, Number(new URL(broker.url).port))
  const url = throughProxy(broker.url, proxy)
  const machine = await createMachine(t, { name: 'soak', urls: [url], worker: 'unused', source: 'export {}' })
  machine.remove('workers/unused.ts')
  for (const [file, text] of Object.entries(SOURCES)) machine.write(file, text)
  const clock = join(machine.root, 'clock')
  writeFileSync(clock, '0')
  const preload = join(import.meta.dirname, '../fixtures/soak/clock.js')
  Object.assign(machine.env, { SOAK_CLOCK: clock, NODE_OPTIONS: `--import ${preload}`, LOG_LEVEL: 'info' })
  await machine.start()

  // The load has a line of its own: what is accepted is what the broker has confirmed to it.
  const client = await bench(t, broker.url).client()
  const handledIds = reader(machine.root)
  const load = startLoad({
    bus: client.bus(),
    foreign: foreignChannels(t, broker.url),
    http: `http://127.0.0.1:${machine.env.PORT}`,
    random,
    senders: 8,
    isTooMuch: (accepted) => accepted - handledIds.count() > BACKLOG,
  })
  const watch = watchProcesses(machine)
  const faults = createFaults({ machine, broker, proxy, load, watch, random, clock })

  const end = performance.now() + each
  while (performance.now() < end) {
    await sleep(Math.min(2_000 + random() * 6_000, Math.max(end - performance.now(), 0)))
    await watch.look()
    const struck = await faults.strike()
    t.comment(`${Math.round((end - performance.now()) / 1_000)} s left: ${struck}; ${load.total} accepted`)
  }
  await load.stop()

  const missing = () => handledIds.missing(load)
  const settled = until(() => missing().length === 0, { what: 'all of it', timeout: SETTLE, interval: 500 })
  await settled.catch(() => {})
  t.same(missing().slice(0, 20), [], 'lost: none')
  await deadLettersAre(t, broker.url, load)
  await queuesAreEmpty(t, broker.url)
  await watch.look()

  t.same(watch.alarming(), [], 'no process has ended by an error')
  for (const [name, count] of Object.entries(watch.restarts)) {
    // Twice among others, until it is handled in a process of its own.
    const allowed = name === 'poison' ? 2 * (load.counts.poison ?? 0) : (faults.killed[name] ?? 0)
    t.ok(count <= allowed, `${name} was started anew ${count} times, of at most ${allowed}`)
  }
  for (const [name, [, middle = 0, last = 0]] of Object.entries(watch.memory())) {
    const isFlat = last <= Math.max(middle * GROWTH, middle + NOISE_MB)
    t.ok(isFlat || each < WARM, `${name} stays flat: ${middle} MB, then ${last} MB`)
  }
  t.comment(
    JSON.stringify({ accepted: load.counts, resent: load.resent, faults: faults.struck, killed: faults.killed }),
  )
  t.comment(JSON.stringify({ twice: handledIds.repeated(), restarts: watch.restarts, memory: watch.memory() }))
  await machine.npm('stop')
}

/** Reads what the handlers have written down. */
function reader(root: string) {
  const linesOf = (worker: string): string[] => {
    const file = join(root, `handled-${worker}`)
    return existsSync(file) ? readFileSync(file, 'latin1').split('\n').slice(0, -1) : []
  }
  let counted = { at: 0, count: 0 }
  return {
    /** Looked at once a second at most: it is a good deal to read. */
    count(): number {
      if (performance.now() - counted.at > 1_000) {
        const count = Object.keys(NOTING).reduce((sum, worker) => sum + linesOf(worker).length, 0)
        counted = { at: performance.now(), count }
      }
      return counted.count
    },
    missing({ accepted }: Load): string[] {
      return Object.entries(NOTING).flatMap(([worker, address]) => {
        const done = new Set(linesOf(worker))
        const ids = [...(accepted.get(address) ?? [])].filter((id) => worker !== 'poison' || isInnocent(id))
        const relayed = worker === 'good' ? [...(accepted.get('relay') ?? [])].map((id) => `relayed-${id}`) : []
        return [...ids, ...relayed].filter((id) => !done.has(id)).map((id) => `${worker}: ${id}`)
      })
    },
    /** How many were handled more than once, by worker. */
    repeated(): Record<string, number> {
      return Object.fromEntries(
        Object.keys(NOTING).map((worker) => {
          const lines = linesOf(worker)
          return [worker, lines.length - new Set(lines).size]
        }),
      )
    },
  }
}

function isInnocent(id: string): boolean {
  return Number(id.split('-')[1]) % 2 === 1
}

/** What can never be handled is a dead letter, with the right reason, and nothing else of ours is. */
async function deadLettersAre(t: Test, url: string, { accepted }: Load): Promise<void> {
  const guilty = [...(accepted.get('poison') ?? [])].filter((id) => !isInnocent(id))
  const expected = { bad: [...(accepted.get('bad') ?? [])], poison: guilty }
  for (const [worker, ids] of Object.entries(expected)) {
    const found = new Map<string, string>()
    const take = async () => {
      for (const { id, reason } of await lettersOf(url, `${worker}.dead`)) found.set(id, reason)
      return found.size >= ids.length
    }
    await until(take, { what: `${ids.length} dead letters of ${worker}`, timeout: SETTLE, interval: 500 }).catch(
      () => {},
    )
    t.same([...found.keys()].sort(), [...ids].sort(), `the dead letters of ${worker}`)
    t.same([...new Set(found.values())], ids.length > 0 ? [worker === 'poison' ? 'killed' : 'failed'] : [])
  }
  for (const queue of ['good', 'flaky', 'relay', 'thread', 'event.first', 'event.second']) {
    // A call that no worker has taken in time is a dead letter by design; its caller knows.
    const own = (await lettersOf(url, `${queue}.dead`)).filter(({ id }) => !/^(foreign|call)-/.test(id))
    t.same(own, [], `no dead letter of ours in ${queue}.dead`)
  }
}

async function lettersOf(url: string, queue: string): Promise<{ id: string; reason: string }[]> {
  const connection = await connect(url)
  const letters: { id: string; reason: string }[] = []
  try {
    const channel = await connection.createChannel()
    for (;;) {
      const letter = await channel.get(queue, { noAck: true })
      if (!letter) return letters
      const { messageId, headers } = letter.properties
      letters.push({ id: String(messageId), reason: String(headers?.['x-dead-reason'] ?? 'by the broker') })
    }
  } finally {
    await connection.close()
  }
}

async function queuesAreEmpty(t: Test, url: string): Promise<void> {
  const connection = await connect(url)
  const channel = await connection.createChannel()
  const queues = ['good', 'flaky', 'bad', 'relay', 'thread', 'poison', 'event.first', 'event.second']
  const waiting = async () => {
    const names = queues.flatMap((name) => [name, `${name}.suspects`])
    const found = await Promise.all(names.map((name) => channel.checkQueue(name)))
    return found
      .filter(({ messageCount }) => messageCount > 0)
      .map(({ queue, messageCount }) => `${queue} ${messageCount}`)
  }
  await until(async () => (await waiting()).length === 0, { what: 'empty queues', timeout: SETTLE }).catch(() => {})
  t.same(await waiting(), [], 'nothing waits any more')
  await connection.close()
}

/** A channel for messages from elsewhere, opened anew when it was closed. */
function foreignChannels(t: Test, url: string) {
  let current: ReturnType<typeof open> | undefined
  t.teardown(async () => (await current?.catch(() => undefined))?.connection.close().catch(() => {}))

  async function open() {
    const connection = await connect(url)
    const forget = () => {
      current = undefined
    }
    for (const emitter of [connection, await connection.createChannel()])
      emitter.on('error', forget).on('close', forget)
    return { connection, channel: await connection.createChannel() }
  }

  return async () => {
    current ??= open()
    current.catch(() => {
      current = undefined
    })
    return (await current).channel
  }
}
