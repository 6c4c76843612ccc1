import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { Bus } from '../../supervisor/base/bus.ts'
import { type Context, defineWorker } from '../../supervisor/base/definitions.ts'
import { HandlerTimeoutError, InvalidMessageError } from '../../supervisor/base/errors.ts'
import type { Signals } from '../../supervisor/execution/attempt.ts'
import { createInlineRunner } from '../../supervisor/execution/inline.ts'
import { aQueue, testLog } from '../helpers/messaging.ts'
import { outcomeOf } from '../helpers/outcome.ts'
import { nextUncaught } from '../helpers/uncaught.ts'

function runnerOf(handler: (data: { n: number }, context: Context) => unknown, timeout = 5_000) {
  const { log, lines } = testLog()
  const definition = defineWorker(aQueue(), { handler: handler as () => { sum: number }, timeout })
  const requests: (string | undefined)[] = []
  const bus = ({ requestId }: { requestId: string | undefined }) => {
    requests.push(requestId)
    return {} as Bus
  }
  const runner = createInlineRunner({ worker: 'w', definition, log, bus })
  const run = (body: unknown, signals: Partial<Signals> = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const attempt = {
      id: 'id-1',
      attempt: 2,
      attempts: 5,
      deaths: 0,
      requestId: 'r-1',
      encoding: undefined,
      unreadable: [],
      body: Buffer.from(text),
    }
    return outcomeOf(runner, attempt, signals)
  }
  return { run, lines, requests }
}

t.test('the handler gets parsed data and its context; its result is checked and returned as JSON', async (t) => {
  let context: Context | undefined
  const { run, lines, requests } = runnerOf(({ n }, given) => {
    context = given
    given.log.info('hello')
    void given.bus
    return { sum: n + 1 }
  })
  t.equal(await run({ n: 1 }), '{"sum":2}')
  t.match(context, { id: 'id-1', attempt: 2, attempts: 5, worker: 'w' })
  t.ok((context?.remainingMs() ?? 0) > 4_000)
  t.notOk(context?.signal.aborted)
  t.match(lines.items[0], { msg: 'hello', worker: 'w', id: 'id-1', attempt: 2, requestId: 'r-1' })
  t.strictSame(requests, ['r-1'])
})

t.test('bad input never reaches the handler, and tells the path of the fault', async (t) => {
  const { run } = runnerOf(() => t.fail('the handler ran'))
  await t.rejects(run('not JSON'), InvalidMessageError)
  await t.rejects(run(''), /expected JSON/)
  await t.rejects(run({ n: 'x' }), { code: 'WARREN_VALIDATION', issues: [{ path: 'n' }] })
})

t.test("a wrong result is the handler's error, not the message's", async (t) => {
  const { run } = runnerOf(() => ({ sum: 'much' }))
  await t.rejects(run({ n: 1 }), { name: 'TypeError', message: /returned a wrong result: sum: / })
})

t.test("a result that JSON would change is the handler's error as well", async (t) => {
  const { run } = runnerOf(() => ({ sum: 1, since: new Map() }))
  await t.rejects(run({ n: 1 }), { name: 'TypeError', message: /returned a wrong result: since: .* found a Map/ })
})

t.test('at the timeout the signal is aborted and the attempt has failed; what comes later is dropped', async (t) => {
  let end = (_: unknown) => {}
  let signal: AbortSignal | undefined
  const { run, lines } = runnerOf((_, context) => {
    signal = context.signal
    return new Promise((resolve) => {
      end = resolve
    })
  }, 50)
  await t.rejects(run({ n: 1 }), new HandlerTimeoutError('w', 50))
  t.ok(signal?.reason instanceof HandlerTimeoutError)
  t.equal(lines.items.length, 0)
  end({ sum: 1 })
  const [line] = await lines.reach(1)
  t.match(line, { level: 'warn', msg: /dropped/, id: 'id-1', timeoutMs: 50 })
})

t.test('a stop aborts the signal with its reason', async (t) => {
  const stop = new AbortController()
  const reason = new Error('stopping')
  const { run } = runnerOf((_, { signal }) => once(signal, 'abort').then(() => Promise.reject(new Error('cleaned up'))))
  const running = run({ n: 1 }, { stop: stop.signal })
  stop.abort(reason)
  await t.rejects(running, reason)
})

t.test('an exception that nobody catches fails the attempt that it comes from, and no other', async (t) => {
  const taken = nextUncaught(t, 'uncaughtException')
  const { run } = runnerOf(({ n }) => {
    if (n > 1) return { sum: n }
    return new Promise(() => {
      setTimeout(() => {
        throw Object.freeze(new RangeError('in a timer'))
      }, 10)
    })
  })
  const good = run({ n: 2 })
  await t.rejects(run({ n: 1 }), new RangeError('in a timer'))
  t.equal(await good, '{"sum":2}')
  t.equal(await taken, true)
})

t.test('a forgotten await fails the attempt while it runs, and is one log line afterwards', async (t) => {
  const reject = async () => {
    throw new RangeError('not awaited')
  }
  const running = nextUncaught(t, 'unhandledRejection')
  const first = runnerOf(() => {
    void reject()
    return new Promise(() => {})
  })
  await t.rejects(first.run({ n: 1 }), new RangeError('not awaited'))
  t.equal(await running, true)

  const over = nextUncaught(t, 'unhandledRejection')
  const second = runnerOf(() => {
    void reject()
    return { sum: 1 }
  })
  t.equal(await second.run({ n: 1 }), '{"sum":1}')
  t.equal(await over, true, 'the process goes on')
  t.match(second.lines.items, [
    { level: 'error', worker: 'w', id: 'id-1', attempt: 2, err: { type: 'RangeError', message: 'not awaited' } },
  ])
})

t.test("an exception of a listener of the signal is the attempt's, though it has ended", async (t) => {
  const listen = (_: unknown, { signal }: Context) => {
    signal.addEventListener('abort', () => {
      throw signal.reason
    })
    return new Promise(() => {})
  }
  const atTimeout = nextUncaught(t, 'uncaughtException')
  const { run, lines } = runnerOf(listen, 20)
  await t.rejects(run({ n: 1 }), HandlerTimeoutError)
  t.equal(await atTimeout, true)
  t.match(lines.items, [{ msg: 'a listener of a signal that was aborted failed', id: 'id-1', attempt: 2 }])
})

t.test(
  'an exception of a listener of the signal ends an attempt whose connection is lost, and nothing else',
  async (t) => {
    const taken = nextUncaught(t, 'uncaughtException')
    const lost = new AbortController()
    const { run } = runnerOf((_, { signal }) => {
      signal.addEventListener('abort', () => {
        throw new RangeError('in a listener')
      })
      return new Promise(() => {})
    })
    const running = run({ n: 1 }, { lost: lost.signal })
    lost.abort(new Error('cut'))
    await t.rejects(running, new RangeError('in a listener'))
    t.equal(await taken, true)
  },
)

t.test("an exception long after its attempt is the process's", async (t) => {
  const taken = nextUncaught(t, 'uncaughtException')
  const { run } = runnerOf(() => {
    setTimeout(() => {
      throw new Error('late')
    }, 1)
    return { sum: 1 }
  })
  await run({ n: 1 })
  t.equal(await taken, false)
})

t.test('a lost connection aborts the signal, and the attempt goes on to its own end', async (t) => {
  const lost = new AbortController()
  const { run } = runnerOf((_, { signal }) => once(signal, 'abort').then(() => ({ sum: 1 })))
  const running = run({ n: 1 }, { lost: lost.signal })
  lost.abort(new Error('cut'))
  t.equal(await running, '{"sum":1}')
})

t.test('nothing is kept for handlers that never settle, and they are told of once', async (t) => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const never = new Promise(() => {})
  const contexts: WeakRef<Context>[] = []
  const { run, lines } = runnerOf((_, context) => {
    contexts.push(new WeakRef(context))
    return never
  }, 20)
  const count = 50
  await Promise.allSettled(Array.from({ length: count }, () => run({ n: 1 })))
  const [line] = await lines.reach(1)
  t.match(line, { level: 'warn', msg: /run on/, handlers: count, id: 'id-1' })
  gc()
  t.equal(contexts.filter((context) => context.deref()).length, 0)
  t.equal(contexts.length, count)
  t.equal(lines.items.length, 1)
})
