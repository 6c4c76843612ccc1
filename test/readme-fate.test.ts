import { join } from 'node:path'
import t from 'tap'
import { createBus } from '../supervisor/base/create-bus.ts'
import { KilledError, UnrecoverableError } from '../supervisor/base/errors.ts'
import type { Incoming } from '../supervisor/base/message.ts'
import type { Attempt, Signals } from '../supervisor/execution/attempt.ts'
import { createProcessor } from '../supervisor/execution/processor.ts'
import { DELIVER } from '../supervisor/messaging/delay.ts'
import { addressTopology } from '../supervisor/messaging/topology.ts'
import { aFanout, aQueue, testLog } from './helpers/messaging.ts'
import { runnerOf } from './helpers/outcome.ts'
import { readReadme } from './helpers/readme.ts'

const END = '[*]'

type Fate = 'gone' | 'retried' | 'dead' | 'given back' | 'isolated'
const STATES: Record<Exclude<Fate, 'given back'>, string> = {
  gone: END,
  retried: 'delayed',
  dead: 'dead',
  isolated: 'suspect',
}

interface Scene {
  isSuspect?: boolean
  returns?: number
  attempt?: number
  /** What its handler does; by default it returns. */
  handler?: (stop: AbortSignal) => Promise<undefined>
  /** A drain whose time is over comes while it runs. */
  drained?: boolean
}

/** Hands one message to a processor: what became of it, and whether its handler ran. */
async function play({ isSuspect = false, returns = 0, attempt = 1, handler, drained }: Scene) {
  let fate: Fate | undefined
  let ran = false
  const settled = new Promise<void>((resolve) => {
    const becomes = (what: Fate) => async () => {
      fate ??= what
    }
    async function run(_: Attempt, { stop }: Signals) {
      ran = true
      return handler?.(stop)
    }
    const processor = createProcessor({
      worker: 'w',
      concurrency: 1,
      attempts: 3,
      backoff: { type: 'fixed', delay: 1, maxDelay: 1, jitter: 0 },
      runner: runnerOf(run),
      sandbox: runnerOf(run),
      log: testLog().log,
      isolate: becomes('isolated'),
      retry: becomes('retried'),
      deadLetter: becomes('dead'),
      reply: async () => {},
    })
    const incoming: Incoming = {
      queue: 'q',
      suspects: 'q.suspects',
      deadLetters: 'q.dead',
      isSuspect,
      returns,
      redelivered: returns > 0,
      deaths: 0,
      id: 'id',
      attempt,
      requestId: undefined,
      body: Buffer.from('{}'),
      properties: { headers: {} },
      raw: undefined,
      unreadable: [],
      reply: undefined,
      lost: new AbortController().signal,
      held: async () => true,
      ack() {
        fate ??= 'gone'
        resolve()
      },
      requeue() {
        fate = 'given back'
        resolve()
      },
    }
    processor.handle(incoming)
    if (drained) void processor.drain(AbortSignal.abort())
  })
  await settled
  return { fate: fate as Fate, ran }
}

/** What somebody does with a dead letter: test/contract/dead-letter-operations.ts holds the code to it. */
const BY_HAND = ['dead --> waiting', `dead --> ${END}`]

/** The ways that a message takes through the code by itself. */
async function ways(): Promise<Set<string>> {
  const found = new Set<string>()
  const way = (from: string, to: string) => void found.add(`${from} --> ${to}`)

  const bus = createBus({
    deliver: async ({ delayMs }) => way(END, delayMs > 0 ? 'delayed' : 'waiting'),
    request: async () => new Uint8Array(),
  })
  await bus.send(aQueue(), { n: 1 })
  await bus.publish(aFanout(), { n: 1 }, { delay: '1s' })
  const kinds = new Map([
    ['q', 'waiting'],
    ['q.suspects', 'suspect'],
  ])
  for (const made of addressTopology({ kind: 'queue', name: 'q' })) {
    const kind = made.kind === 'binding' && made.exchange === DELIVER && kinds.get(made.queue)
    if (kind) way('delayed', kind)
  }

  const fail = async () => Promise.reject(new Error('x'))
  const untilStopped = (stop: AbortSignal) =>
    new Promise<undefined>((_, reject) => stop.addEventListener('abort', () => reject(stop.reason)))
  const scenes: Omit<Scene, 'isSuspect'>[] = [
    {},
    { handler: fail },
    { handler: fail, attempt: 3 },
    { handler: () => Promise.reject(new UnrecoverableError('x')) },
    { handler: () => Promise.reject(new KilledError('w', 1, 'SIGKILL')) },
    { handler: untilStopped, drained: true },
    { returns: 1 },
    { returns: 2 },
    { returns: 3 },
  ]
  for (const isSuspect of [false, true]) {
    const [kept, running] = isSuspect ? ['suspect', 'sandbox'] : ['waiting', 'running']
    for (const scene of scenes) {
      const { fate, ran } = await play({ ...scene, isSuspect })
      if (ran) way(kept, running)
      way(ran ? running : kept, fate === 'given back' ? kept : STATES[fate])
    }
  }
  return found
}

t.test('the picture of what happens to a message shows every way through the code, and no other', async (t) => {
  const readme = readReadme(join(process.cwd(), 'README.md'))
  const [picture] = readme.blocks.filter(({ language }) => language === 'mermaid')
  const drawn = [...(picture?.text ?? '').matchAll(/^ +(\S+) --> ([^:\s]+):/gm)].map(
    ([, from, to]) => `${from} --> ${to}`,
  )
  t.equal(new Set(drawn).size, drawn.length, 'each once')
  t.strictSame(drawn.sort(), [...(await ways()), ...BY_HAND].sort())
})
