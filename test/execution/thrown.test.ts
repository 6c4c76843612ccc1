import t from 'tap'
import type { Bus } from '../../supervisor/base/bus.ts'
import { defineWorker } from '../../supervisor/base/definitions.ts'
import { HandlerTimeoutError, KilledError, UnrecoverableError } from '../../supervisor/base/errors.ts'
import { loggerOn } from '../../supervisor/base/log.ts'
import type { Headers, Incoming } from '../../supervisor/base/message.ts'
import { createInlineRunner } from '../../supervisor/execution/inline.ts'
import { createProcessor } from '../../supervisor/execution/processor.ts'
import { collect } from '../helpers/collect.ts'
import { aQueue } from '../helpers/messaging.ts'

const explode = () => {
  throw new Error('a trap')
}

/** What a handler may throw, and what its dead letter says then. */
const THROWN: [what: string, make: () => unknown, headers: Headers][] = [
  [
    'a stack of call sites with functions',
    () => Object.assign(new TypeError('parsed'), { stack: [{ getFunction: explode }] }),
    { 'x-dead-error': 'TypeError', 'x-dead-message': 'parsed', 'x-dead-stack': '' },
  ],
  ['a stack that is a number', () => Object.assign(new Error('n'), { stack: 7 }), { 'x-dead-stack': '' }],
  [
    'a stack that throws',
    () => Object.defineProperty(new Error('s'), 'stack', { get: explode }),
    { 'x-dead-message': 's', 'x-dead-stack': '' },
  ],
  ['a frozen error', () => Object.freeze(new Error('no such customer')), { 'x-dead-message': 'no such customer' }],
  [
    'a getter that throws',
    () => Object.defineProperty(new Error('g'), 'request', { get: explode, enumerable: true }),
    { 'x-dead-message': 'g' },
  ],
  ['a name that is an object', () => Object.assign(new Error('o'), { name: { a: 1 } }), { 'x-dead-error': 'Error' }],
  ['a proxy', () => new Proxy({}, { get: explode, getPrototypeOf: explode, ownKeys: explode }), {}],
  ['nothing', () => undefined, { 'x-dead-message': /undefined/ as never }],
  [
    "a kind that is not a handler's to say",
    () => new KilledError('w', 1, 'SIGKILL'),
    { 'x-dead-error': 'KilledError' },
  ],
  ['one more of those', () => new HandlerTimeoutError('w', 1), { 'x-dead-error': 'HandlerTimeoutError' }],
]

/** A worker whose handler throws what it is told to. */
function stage(make: () => unknown, log = loggerOn({ write: () => {} }, { level: 'trace' })) {
  const events = collect<string>('events')
  const letters: Headers[] = []
  const replies: [string, string | undefined][] = []
  const definition = defineWorker(aQueue(), {
    handler: () => {
      throw make()
    },
  })
  const processor = createProcessor({
    worker: 'w',
    concurrency: 1,
    attempts: 2,
    backoff: { type: 'fixed', delay: 200, maxDelay: 200, jitter: 0 },
    runner: createInlineRunner({ worker: 'w', definition, log, bus: () => ({}) as Bus }),
    log,
    sandbox: { run: () => {}, close: async () => {} },
    isolate: async () => void events.push('isolate'),
    retry: async () => void events.push('retry'),
    async deadLetter(_, headers) {
      letters.push(headers)
      events.push('dead letter')
    },
    async reply(_, body, errorName) {
      replies.push([body.toString(), errorName])
    },
  })
  function give(attempt: number, reply?: Incoming['reply']): void {
    processor.handle({
      queue: 'q',
      suspects: 'q.suspects',
      isSuspect: false,
      returns: 0,
      redelivered: false,
      deaths: 0,
      deadLetters: 'q.dead',
      id: 'm-1',
      attempt,
      requestId: undefined,
      body: Buffer.from('{"n":1}'),
      properties: { headers: {} },
      raw: undefined,
      unreadable: [],
      reply,
      lost: new AbortController().signal,
      held: async () => true,
      ack: () => void events.push('ack'),
      requeue: () => void events.push('requeue'),
    })
  }
  return { give, events, letters, replies }
}

for (const [what, make, headers] of THROWN) {
  t.test(`a handler that throws ${what} costs attempts, and then is a dead letter`, async (t) => {
    const { give, events, letters, replies } = stage(make)
    give(1)
    t.same(await events.reach(2), ['retry', 'ack'])
    give(2)
    t.same((await events.reach(4)).slice(2), ['dead letter', 'ack'])
    t.match(letters[0], { 'x-dead-reason': 'failed', ...headers })
    for (const value of Object.values(letters[0] as Headers)) t.ok(['string', 'number'].includes(typeof value))

    give(1, { to: 'reply', correlationId: 'c' })
    await events.reach(6)
    t.equal(replies.length, 1, 'its caller gets the error')
    t.ok(replies[0]?.[1], 'with a name')
  })
}

t.test('a log that fails stands between no outcome and its settlement', async (t) => {
  const deaf = new Proxy(loggerOn({ write: () => {} }, { level: 'trace' }), {
    get: (log, key) => (['debug', 'warn', 'error'].includes(String(key)) ? explode : Reflect.get(log, key)),
  })
  const { give, events } = stage(() => new UnrecoverableError('x'), deaf)
  give(1)
  t.same((await events.reach(2)).slice(0, 2), ['dead letter', 'ack'])
})
