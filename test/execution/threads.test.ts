import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadWorker } from '../../supervisor/base/discovery.ts'
import {
  BrokerUnavailableError,
  HandlerExitError,
  HandlerMemoryError,
  HandlerTimeoutError,
  ThreadStartError,
  UnrecoverableError,
  ValidationError,
} from '../../supervisor/base/errors.ts'
import type { Envelope, Transport } from '../../supervisor/base/message.ts'
import type { Signals } from '../../supervisor/execution/attempt.ts'
import { createThreadRunner } from '../../supervisor/execution/threads.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { testLog } from '../helpers/messaging.ts'
import { outcomeOf } from '../helpers/outcome.ts'
import { promised } from '../helpers/promised.ts'
import { until } from '../helpers/until.ts'

/** A worker whose messages say what its handler does. */
const scripted = `
import { defineQueue, defineWorker, ThreadStartError, UnavailableError, UnrecoverableError } from 'warren'
import { isMainThread, parentPort } from 'node:worker_threads'
import { z } from 'zod'
export const queue = defineQueue('scripted', { data: z.object({ do: z.string() }), result: z.unknown() })
const other = defineQueue('other', { data: z.object({ n: z.int() }), result: z.object({ sum: z.int() }) })
const acts = {
  context: (c) => ({ ...c, log: typeof c.log.info, signal: c.signal.aborted, bus: Object.keys(c.bus), isMainThread, remaining: c.remainingMs() > 0 }),
  throw: () => { throw new RangeError('thrown') },
  unrecoverable: () => { throw new UnrecoverableError('never') },
  loop: () => { for (;;); },
  leave: () => { setTimeout(() => { throw new Error('left behind') }, 50); return 'left' },
  slow: () => new Promise((resolve) => setTimeout(resolve, 300, 'slow')),
  timer: () => { setTimeout(() => { throw new RangeError('in a timer') }, 5); return new Promise(() => {}) },
  microtask: () => { queueMicrotask(() => { throw new RangeError('in a microtask') }); return new Promise(() => {}) },
  rejects: () => { void Promise.reject(new RangeError('nobody awaits it')); return new Promise(() => {}) },
  busy: () => { for (const end = Date.now() + 700; Date.now() < end; ); },
  wait: (c) => new Promise((_, reject) => c.signal.addEventListener('abort', () => reject(c.signal.reason))),
  exit: () => process.exit(7),
  post: () => { for (const message of [null, 'text', { thread: 1 }, { port: 1 }]) parentPort.postMessage(message) },
  memory: () => { const all = []; for (;;) all.push(new Array(100_000).fill(all.length)) },
  send: (c) => c.bus.send(other, { n: 1 }, { id: 'sent' }),
  call: (c) => c.bus.call(other, { n: 1 }, { timeout: '1s' }),
  refused: (c) => c.bus.send(other, { n: 13 }).catch((e) => [e instanceof UnavailableError, e.code]),
  foreign: () => { class ValidationError extends Error { name = 'ValidationError' } throw new ValidationError('of another library') },
  subclass: () => { class Gone extends UnrecoverableError {} throw Object.assign(new Gone('gone'), { detail: 1, code: () => {} }) },
  odd: () => { throw { toString() { throw new Error('no') } } },
  frozen: () => { throw Object.freeze(new RangeError('frozen')) },
  sites: () => { throw Object.assign(new TypeError('parsed'), { stack: [{ at() {} }] }) },
  getter: () => { throw Object.defineProperty(new Error('got'), 'x', { enumerable: true, get() { throw new Error('no') } }) },
  proxy: () => { throw new Proxy({}, { get() { throw new Error('no') }, getPrototypeOf() { throw new Error('no') } }) },
  nothing: () => { throw undefined },
  later: () => { setTimeout(() => { throw Object.assign(new RangeError('later'), { x: () => {}, stack: [() => {}] }) }, 5); return new Promise(() => {}) },
  defines: () => defineQueue('not a name', {}),
  starts: () => { throw new ThreadStartError('scripted', 'says the handler') },
  invalid: (c) => c.bus.send(other, { n: 'x' }).catch((e) => e.code),
}
export default defineWorker(queue, {
  threads: 2, timeout: '300ms', memoryLimitMb: 96,
  handler: (data, context) => acts[data.do](context),
})
`

async function threads(t: Test, { timeout = '300ms' } = {}) {
  const root = compiledProject(t, { 'workers/scripted.ts': scripted.replace('300ms', timeout) })
  const { definition } = await loadWorker(root, 'scripted')
  const sent: Envelope[] = []
  const transport: Transport = {
    async deliver(envelope) {
      if (Buffer.from(envelope.body).toString() === '{"n":13}') throw new BrokerUnavailableError('away')
      sent.push(envelope)
    },
    async request(envelope, timeoutMs) {
      return Buffer.from(JSON.stringify({ sum: timeoutMs + envelope.body.length }))
    },
  }
  const { log } = testLog()
  const filename = join(process.cwd(), 'dist/supervisor/thread.js')
  const data = { worker: 'scripted', root, logLevel: 'info' }
  const broken: Error[] = []
  const onBroken = (error: Error) => void broken.push(error)
  const runner = createThreadRunner({ ...data, definition, filename, log, transport, onBroken })
  t.teardown(() => runner.close())
  const run = (act: string, signals: Partial<Signals> = {}) => {
    const body = Buffer.from(JSON.stringify({ do: act }))
    return outcomeOf(
      runner,
      { id: 'id-1', attempt: 1, attempts: 5, deaths: 0, requestId: 'r-1', encoding: undefined, unreadable: [], body },
      signals,
    )
  }
  return { run, sent, broken, root }
}

t.test('a handler in a thread gets the same context', async (t) => {
  const { run } = await threads(t)
  t.match(JSON.parse((await run('context')) ?? ''), {
    id: 'id-1',
    attempt: 1,
    attempts: 5,
    worker: 'scripted',
    log: 'function',
    signal: false,
    bus: ['send', 'publish', 'call'],
    isMainThread: false,
    remaining: true,
  })
})

t.test('its bus sends through the process, errors included', async (t) => {
  const { run, sent } = await threads(t)
  t.equal(await run('send'), '{"id":"sent"}')
  t.match(sent, [{ id: 'sent', address: { kind: 'queue', name: 'other' }, headers: { 'x-request-id': 'r-1' } }])
  t.equal(await run('call'), '{"sum":1007}')
  t.equal(await run('refused'), '[true,"WARREN_BROKER_UNAVAILABLE"]')
  t.equal(await run('invalid'), '"WARREN_VALIDATION"')
})

t.test('errors keep their name, class, message and stack', async (t) => {
  const { run } = await threads(t)
  await t.rejects(run('throw'), { name: 'RangeError', message: 'thrown', stack: /scripted\.js/ })
  await t.rejects(run('unrecoverable'), { name: 'UnrecoverableError', code: 'WARREN_UNRECOVERABLE' })
  await t.rejects(run('unknown'), { name: 'TypeError' })
  await t.rejects(run('odd'), { name: 'Error', message: /^the thrown value is not an Error/ })
  const foreign = await run('foreign').catch((error) => error)
  t.match(foreign, { name: 'ValidationError', message: 'of another library' })
  t.notOk(foreign instanceof ValidationError, "another library's error of the same name")
  const subclass = await run('subclass').catch((error) => error)
  t.ok(subclass instanceof UnrecoverableError)
  t.match(subclass, { name: 'Gone', message: 'gone' })
})

t.test('whatever a handler throws is a failed attempt, and no fault of its thread', async (t) => {
  const { run, broken } = await threads(t)
  const expected = {
    frozen: { name: 'RangeError', message: 'frozen' },
    sites: { name: 'TypeError', message: 'parsed' },
    getter: { name: 'Error', message: 'got' },
    proxy: { name: 'Error' },
    nothing: { message: /not an Error: undefined/ },
    later: { name: 'RangeError', message: 'later' },
    // Errors of Warren's own that mean something else where Warren throws them.
    defines: { name: 'DefinitionError' },
    starts: { name: 'ThreadStartError', message: /says the handler/ },
  }
  for (const [act, error] of Object.entries(expected)) {
    t.match(await run(act).catch((thrown) => thrown), error, act)
  }
  t.same(broken, [])
  t.ok(await run('context'))
})

t.test('the timeout holds, against busy loops too, and the next message is handled', async (t) => {
  const { run } = await threads(t)
  for (const act of ['loop', 'wait']) {
    // A thread of its own, running already: what is measured is the end, not the start.
    await run('context')
    const started = performance.now()
    await t.rejects(run(act), HandlerTimeoutError)
    const took = performance.now() - started
    t.ok(took >= 300, `${act} was ended after ${Math.round(took)} ms`)
    promised(t, took, 1_500, `${act} was ended`)
  }
  t.ok(await run('context'))
})

t.test('the time that an attempt waits for a thread is not its own', async (t) => {
  // Two at a time: the last ones end after more than their timeout.
  const { run } = await threads(t, { timeout: '1500ms' })
  const results = await Promise.allSettled(Array.from({ length: 6 }, () => run('busy')))
  t.same(
    results.map(({ status }) => status),
    Array(6).fill('fulfilled'),
  )
})

t.test('the memory limit holds; the process and the neighbour go on', async (t) => {
  // V8 collects garbage for a while before it gives up.
  const { run } = await threads(t, { timeout: '20s' })
  const [memory, neighbour] = await Promise.allSettled([run('memory'), run('context')])
  t.match(memory, { status: 'rejected', reason: HandlerMemoryError })
  t.match(neighbour, { status: 'fulfilled' })
  t.ok(await run('context'))
})

t.test('what a handler sends by its own means disturbs nothing', async (t) => {
  const { run } = await threads(t)
  await run('post')
  t.equal(await run('send'), '{"id":"sent"}')
})

t.test('a handler that ends its thread fails alone', async (t) => {
  const { run } = await threads(t)
  const [exit, neighbour] = await Promise.allSettled([run('exit'), run('context')])
  t.match(exit, { status: 'rejected', reason: HandlerExitError })
  t.match(neighbour, { status: 'fulfilled' })
})

t.test('a stop aborts the signal with its reason, and then the thread', async (t) => {
  const { run } = await threads(t)
  await run('context')
  const stop = new AbortController()
  const reason = new Error('stopping')
  // The third one waits for a thread, and never gets one.
  const acts = ['wait', 'loop', 'context']
  const running = Promise.allSettled(acts.map((act) => run(act, { stop: stop.signal })))
  await until(() => true, { what: 'a turn of the event loop' })
  stop.abort(reason)
  for (const result of await running) t.match(result, { status: 'rejected', reason })
})

t.test("a thread that can't load the worker's file is not the message's fault", async (t) => {
  const { run, broken, root } = await threads(t)
  writeFileSync(join(root, 'dist/workers/scripted.js'), 'export default (')
  await t.rejects(run('context'), /stopped/)
  t.match(broken, [ThreadStartError])
})

t.test('what a handler left behind fails: the attempt that runs in its thread then is not charged', async (t) => {
  const { run } = await threads(t, { timeout: '20s' })
  // Both threads have something left behind.
  t.strictSame(await Promise.all([run('leave'), run('leave')]), ['"left"', '"left"'])
  t.strictSame(await Promise.all([run('slow'), run('slow')]), ['"slow"', '"slow"'])
})

t.test('what nobody catches fails the attempt that it comes from', async (t) => {
  const { run } = await threads(t, { timeout: '20s' })
  await t.rejects(run('timer'), { name: 'RangeError', message: 'in a timer' })
  await t.rejects(run('microtask'), { name: 'RangeError', message: 'in a microtask' })
  await t.rejects(run('rejects'), { name: 'RangeError', message: 'nobody awaits it' })
  t.ok(await run('context'))
})
