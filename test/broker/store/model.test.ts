import { rmSync } from 'node:fs'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { inspect, isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { openDatabase } from '../../../supervisor/broker/store/database.ts'
import { BODY_RANGE } from '../../../supervisor/broker/store/keys.ts'
import type { Entry, Message, QueueLog } from '../../../supervisor/broker/store/log.ts'
import type { Store } from '../../../supervisor/broker/store/store.ts'
import { message, open } from './helpers.ts'

// Random programs on a log with tiny windows, so that most of it is on disk, against a plain array.

type Step =
  | {
      do: 'append'
      count: number
      size: number
      persistent: boolean
      priority: number
      expires: boolean
      shares: boolean
    }
  | { do: 'take' | 'remove' | 'removeHead' | 'giveBack'; which: number; count: number }
  | { do: 'purge' | 'turn' | 'synced' | 'tidied' | 'reopen' | 'recreate' }

interface Item {
  position: number
  body: string
  persistent: boolean
  priority: number
  expiresAt: number
  deliveryCount: number
  acquiredCount: number
  redelivered: boolean
  /** Counts the returns; 0 if it was not given back. */
  returned: number
}

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      count: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant(60)),
      size: fc.oneof({ weight: 9, arbitrary: fc.nat(50) }, { weight: 1, arbitrary: fc.constantFrom(20_000, 70_000) }),
      persistent: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.boolean()),
      priority: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.constantFrom(1, 9)),
      expires: fc.boolean(),
      shares: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('take' as const, 'remove' as const, 'removeHead' as const, 'giveBack' as const),
      which: fc.nat(1_000),
      count: fc.oneof(
        { weight: 3, arbitrary: fc.integer({ min: 1, max: 10 }) },
        { weight: 1, arbitrary: fc.constant(50) },
      ),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('turn' as const, 'synced' as const, 'tidied' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('purge' as const, 'reopen' as const, 'recreate' as const) }),
  },
)

/** Programs that leave a few messages of many, which are moved together. */
const stragglers: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      count: fc.constant(40),
      size: fc.constantFrom(10, 300, 5_000),
      persistent: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
      priority: fc.constant(0),
      expires: fc.boolean(),
      shares: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('take' as const), which: fc.nat(1_000), count: fc.constant(30) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat(1_000), count: fc.constant(25) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('giveBack' as const), which: fc.nat(1_000), count: fc.nat(5) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('synced' as const, 'tidied' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('turn' as const, 'reopen' as const, 'purge' as const) }) },
)

async function run(program: Step[], durable: boolean, returns: 'position' | 'fifo', folder: string) {
  const limits = { windowMessages: 5, windowBytes: 30_000, crowdedBytes: 3_000, totalBytes: 20_000, sparseBytes: 100 }
  // Priority 0 comes between 1 and 2.
  const rankOf = (priority: number) => priority || 1.5
  let store: Store = await open(folder, { limits, tidyingMs: 1 })
  let queueId = 1
  let log: QueueLog = store.openLog(queueId, { durable, returns, rankOf })
  let ready: Item[] = []
  let out: { item: Item; entry: Entry }[] = []
  let marks = new Map<number, number>()
  let appended = 0
  let safe = 0
  let returnCount = 0
  const counted = new Set<number>()

  function order(a: Item, b: Item): number {
    if (returns === 'fifo' && a.returned + b.returned > 0) return (a.returned || Infinity) - (b.returned || Infinity)
    if (a.priority !== b.priority) return rankOf(b.priority) - rankOf(a.priority)
    return a.position - b.position
  }

  function append(step: Step & { do: 'append' }) {
    let shared: Message | undefined
    for (let i = 0; i < step.count; i++) {
      const number = appended++
      const { persistent, priority } = step
      const fresh = message(`${number} `.padEnd(step.size, 'x'), { persistent, priority, exchange: `e${number % 3}` })
      // Two each have the same body.
      const sent = shared ?? (step.shares ? store.share(fresh) : fresh)
      shared = step.shares && !shared ? sent : undefined
      const body = sent.body.toString()
      const expiresAt = step.expires ? 1_700_000_000_123 + number : 0
      let isSync = true
      const onSafe = () => {
        if (isSync || counted.has(number)) throw new Error('onSafe was called synchronously or twice')
        counted.add(number)
        safe++
      }
      const entry = log.append(sent, expiresAt, onSafe)
      isSync = false
      const { position } = entry
      ready.push({
        position,
        body,
        persistent,
        priority,
        expiresAt,
        deliveryCount: 0,
        acquiredCount: 0,
        redelivered: false,
        returned: 0,
      })
    }
  }

  function check(entry: Entry | undefined, item: Item | undefined) {
    const { message: m, position, expiresAt, deliveryCount, acquiredCount, redelivered } = entry ?? {}
    const body = m?.body.toString()
    const counts = { deliveryCount, acquiredCount }
    const seen = entry && { body, position, expiresAt, ...counts, redelivered, persistent: m?.persistent }
    const { priority: _, returned: __, ...expected } = item ?? ({} as Item)
    if (!isDeepStrictEqual(seen, item && expected)) fail(`got ${inspect(seen)} instead of ${inspect(item)}`)
    if (m && (m.properties.toString() !== 'properties' || m.priority !== item?.priority)) fail('the message differs')
    if (m && (m.exchange !== `e${Number.parseInt(m.body.toString(), 10) % 3}` || m.routingKey !== 'k')) fail('address')
  }

  function take() {
    ready.sort(order)
    const item = ready.shift()
    check(log.peek(), item)
    const entry = log.take()
    check(entry, item)
    if (!entry || !item) return
    marks.set(item.priority, Math.max(marks.get(item.priority) ?? 0, item.position + 1))
    out.push({ item, entry })
  }

  function removeHead() {
    ready.sort(order)
    const item = ready.shift()
    const entry = log.peek()
    check(entry, item)
    if (entry) log.remove(entry)
  }

  function settle(which: number, isRemoved: boolean) {
    const [picked] = out.splice(which % Math.max(1, out.length), 1)
    if (!picked) return
    if (isRemoved) {
      log.remove(picked.entry)
      log.remove(picked.entry)
      return
    }
    if (which % 2) picked.entry.deliveryCount = ++picked.item.deliveryCount
    if (which % 3) picked.entry.acquiredCount = picked.item.acquiredCount += which
    log.giveBack(picked.entry)
    ready.push({ ...picked.item, redelivered: true, returned: ++returnCount })
  }

  async function reopen() {
    await store.close()
    if (safe !== appended) fail(`${appended - safe} were not reported as safe`)
    store = await open(folder, { limits, tidyingMs: 1 })
    log = store.openLog(queueId, { durable, returns, rankOf })
    ready = [...ready, ...out.map(({ item }) => item)].filter((item) => durable && item.persistent)
    for (const item of ready) {
      const isMarked = item.position < (marks.get(item.priority) ?? 0)
      item.redelivered = isMarked || item.deliveryCount > 0 || item.acquiredCount > 0
      item.returned = 0
    }
    out = []
  }

  /** What stays mostly empty has been moved. */
  async function tidied() {
    await store.synced()
    await pause(4)
    await store.synced()
  }

  async function recreate() {
    log.destroy()
    await store.synced()
    log = store.openLog(++queueId, { durable, returns, rankOf })
    marks = new Map()
    ready = []
    out = []
  }

  for (const step of program) {
    if (step.do === 'append') append(step)
    else if (step.do === 'take') for (let i = 0; i < step.count; i++) take()
    else if (step.do === 'removeHead') removeHead()
    else if (step.do === 'remove' || step.do === 'giveBack') {
      for (let i = 0; i < step.count; i++) settle(step.which, step.do === 'remove')
    } else if (step.do === 'purge') {
      if (log.purge() !== ready.length) fail('purge() returned another number')
      ready = []
    } else if (step.do === 'turn') await turn()
    else if (step.do === 'synced') await store.synced()
    else if (step.do === 'tidied') await tidied()
    else if (step.do === 'reopen') await reopen()
    else await recreate()
    if (log.ready !== ready.length) fail(`ready is ${log.ready} instead of ${ready.length}`)
    const bytes = ready.reduce((sum, { body }) => sum + body.length, 0)
    if (log.readyBytes !== bytes) fail(`readyBytes is ${log.readyBytes} instead of ${bytes}`)
  }
  while (ready.length > 0) take()
  check(log.take(), undefined)
  for (const { entry } of out) log.remove(entry)
  if (store.heldBytes !== 0) fail(`${store.heldBytes} bytes are counted for nothing`)
  await store.close()
  store = await open(folder, { limits })
  const left = store.openLog(queueId, { durable }).ready
  await store.close()
  if (left > 0) fail(`${left} came back after their removal`)
  const database = openDatabase(folder)
  const bodies = [...database.keys(...BODY_RANGE)].length
  await database.close()
  if (bodies > 0) fail(`${bodies} bodies are left`)
  rmSync(folder, { recursive: true })
}

function fail(reason: string): never {
  throw new Error(reason)
}

// The sizes that the environment can set take longer than a test file's default.
t.setTimeout(600_000)
const KINDS = { plain: steps, 'where few of many stay': stragglers }

for (const [kind, step] of Object.entries(KINDS)) {
  t.test(`a log does what an array does, ${kind}`, { timeout: 100_000 }, async (t) => {
    const folder = t.testdir()
    let runs = 0
    const numRuns = Number(process.env.STORE_MODEL_RUNS ?? 100)
    const program = fc.array(step, { minLength: 1, maxLength: 60, size: 'max' })
    const isDurable = fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false))
    const order = fc.constantFrom('position' as const, 'fifo' as const)
    await fc.assert(
      fc.asyncProperty(program, isDurable, order, (p, durable, returns) =>
        run(p, durable, returns, `${folder}/${runs++}`),
      ),
      { numRuns, interruptAfterTimeLimit: 40_000, markInterruptAsFailure: false },
    )
    t.comment(`${runs} programs`)
  })
}
