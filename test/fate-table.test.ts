// docs/fate.md's table, cell by cell, as far as a processor decides it. What the end of a worker's process, and of one of the
// sandbox, does is held by test/contract/poison.ts, test/contract/voids.ts and test/execution/sandbox.test.ts.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BrokerUnavailableError, KilledError, UnrecoverableError } from '../supervisor/base/errors.ts'
import type { Headers, Incoming } from '../supervisor/base/message.ts'
import { type StageOptions, type Started, stage } from './helpers/stage.ts'

const AT_HAND = 'at hand, not started'
const RUNS = 'its handler runs'
const SANDBOX = 'it runs in the sandbox'
const COPYING = 'it has failed, its copy is being sent'

/** A message in one of the table's states, and what has become of it. */
async function put(where: string, options: StageOptions = {}) {
  const line = new AbortController()
  const retries: Headers[] = []
  let sends = 0
  let send = () => {}
  const sent = new Promise<void>((resolve) => {
    send = resolve
  })
  const isCopying = where === COPYING
  const staged = stage({
    concurrency: where === AT_HAND ? 1 : 2,
    attempts: 2,
    async retry(headers) {
      sends++
      // The broker can't be reached before the event has come.
      if (isCopying && sends === 1) throw new BrokerUnavailableError('away')
      if (isCopying) await sent
      retries.push(headers)
    },
    ...options,
  })
  const { processor, message, started, settled, letters } = staged
  if (where === AT_HAND) processor.handle(message('neighbour'))
  const more: Partial<Incoming> = { lost: line.signal, isSuspect: where === SANDBOX }
  processor.handle(message('m', undefined, more))
  const run = () => started.items.find(({ id }) => id === 'm') as Started
  if (isCopying) run().fail(new Error('x'))

  /** How it ended, in the table's words. */
  async function fate(): Promise<string> {
    // What takes a while has ended when nothing is under way any more.
    if (settled.items.length === 0) await processor.idle()
    const [letter] = letters
    const [retry] = retries
    if (settled.items.includes('requeue m')) return 'given back'
    if (letter) return `dead${letter['x-dead-attempts'] ? ', charged' : ''}`
    if (retry) return `retried${retry['x-attempt'] === 2 ? ', charged' : ''}`
    if (settled.items.includes('ack m')) return 'acknowledged'
    return 'nothing'
  }
  return { ...staged, run, fate, lose: () => line.abort(new Error('cut')), send, retries }
}

type Put = Awaited<ReturnType<typeof put>>
type Play = (at: Put, where: string) => string | Promise<string>

const PLAYS: Record<string, { options?: StageOptions; play: Play; states: readonly string[] }> = {
  'the handler returns': {
    states: [RUNS, SANDBOX],
    play: ({ run, fate }) => {
      run().end()
      return fate()
    },
  },
  'the handler fails, attempts are left': {
    states: [RUNS, SANDBOX],
    play: ({ run, fate }) => {
      run().fail(new Error('x'))
      return fate()
    },
  },
  'the handler fails, out of attempts or beyond help': {
    states: [RUNS, SANDBOX],
    play: ({ run, fate }) => {
      run().fail(new UnrecoverableError('x'))
      return fate()
    },
  },
  'the sandbox ends, and it ran there alone': {
    states: [SANDBOX],
    play: ({ run, fate }) => {
      run().fail(new KilledError('w', 1, 'SIGKILL'))
      return fate()
    },
  },
  'its connection is lost': {
    states: [AT_HAND, RUNS, SANDBOX],
    play: async ({ lose, run, fate, started }, where) => {
      lose()
      if (where === AT_HAND) started.items[0]?.end()
      else run().fail(new Error('too late'))
      const came = await fate()
      return came === 'nothing' ? 'comes back' : came
    },
  },
  "the broker can't be reached to send": {
    states: [COPYING],
    play: async ({ send, fate, settled, retries }) => {
      const isWaiting = settled.items.length + retries.length === 0
      send()
      const came = await fate()
      return isWaiting && came === 'retried, charged' ? 'waits' : came
    },
  },
  'a drain, in time': {
    states: [AT_HAND, RUNS, SANDBOX, COPYING],
    play: async ({ processor, run, send, fate, settled }, where) => {
      void processor.drain(AbortSignal.timeout(60_000))
      if (where === RUNS || where === SANDBOX) run().end()
      send()
      const came = await fate()
      return settled.items.includes('ack m') ? 'finished' : came
    },
  },
  'a drain, and its time is over': {
    states: [AT_HAND, RUNS, SANDBOX, COPYING],
    play: async ({ processor, fate }) => {
      await processor.drain(AbortSignal.abort())
      return fate()
    },
  },
}

const rows = readFileSync(join(process.cwd(), 'docs/fate.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|') && !line.startsWith('| ---'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
const [head = [], ...body] = rows

t.test('the table has the states that are played', async (t) => {
  t.strictSame(head, ['event', AT_HAND, RUNS, SANDBOX, COPYING])
  const events = body.map(([event]) => event)
  t.strictSame(
    Object.keys(PLAYS).filter((event) => !events.includes(event)),
    [],
  )
})

for (const [event, { play, states, options }] of Object.entries(PLAYS)) {
  const row = body.find(([name]) => name === event)
  for (const where of states) {
    t.test(`${event}; ${where}`, async (t) => {
      const at = await put(where, options)
      t.equal(await play(at, where), row?.[head.indexOf(where)])
    })
  }
}
