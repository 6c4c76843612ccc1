import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadWorker } from '../../supervisor/base/discovery.ts'
import {
  HandlerExitError,
  HandlerMemoryError,
  HandlerTimeoutError,
  KilledError,
  UnrecoverableError,
} from '../../supervisor/base/errors.ts'
import type { Envelope, Transport } from '../../supervisor/base/message.ts'
import type { Attempt, Signals } from '../../supervisor/execution/attempt.ts'
import { createSandbox } from '../../supervisor/execution/sandbox.ts'
import { sandboxProcesses } from '../../supervisor/execution/sandbox-process.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { testLog } from '../helpers/messaging.ts'
import { outcomeOf } from '../helpers/outcome.ts'
import { until } from '../helpers/until.ts'

t.setTimeout(600_000)

/** A worker whose messages say what its handler does. */
const scripted = (options: string) => `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker, UnrecoverableError } from 'warren'
import { z } from 'zod'
export const queue = defineQueue('scripted', { data: z.object({ do: z.string(), n: z.int() }), result: z.unknown() })
const other = defineQueue('other', { data: z.object({ n: z.int() }), result: z.object({ sum: z.int() }) })
const acts = {
  pid: () => process.pid,
  throw: () => { throw new UnrecoverableError('thrown') },
  timer: () => { setTimeout(() => { throw new RangeError('in a timer') }, 5); return new Promise(() => {}) },
  loop: () => { for (;;); },
  wait: (c) => new Promise((_, reject) => c.signal.addEventListener('abort', () => reject(c.signal.reason))),
  untilLost: (c) => new Promise((resolve) => c.signal.addEventListener('abort', () => resolve(c.signal.reason.message))),
  slow: () => sleep(50).then(() => 'slow'),
  exit: () => process.exit(7),
  abort: () => process.abort(),
  later: () => { setTimeout(() => process.exit(7), 100); return 'harmless' },
  leaveLoop: () => { setTimeout(() => { appendFileSync('ran', 'loop\\n'); for (;;); }, 1); return 'left' },
  memory: () => { const all = []; for (;;) all.push(new Array(100_000).fill(all.length)) },
  send: (c) => c.bus.send(other, { n: 1 }, { id: 'sent' }),
  call: (c) => c.bus.call(other, { n: 1 }, { timeout: '1s' }),
}
export default defineWorker(queue, { ${options}
  handler: async (data, context) => {
    appendFileSync('ran', data.do + ' ' + data.n + '\\n')
    return acts[data.do](context)
  },
})
`

function attemptOf(act: string, n: number, deaths = 0): Attempt {
  const body = Buffer.from(JSON.stringify({ do: act, n }))
  const rest = { requestId: 'r-1', encoding: undefined, unreadable: [] }
  return { id: `id-${n}`, attempt: 1, attempts: 5, deaths, body, ...rest }
}

async function sandbox(t: Test, options = "timeout: '20s',") {
  const root = compiledProject(t, { 'workers/scripted.ts': scripted(options) })
  const { definition } = await loadWorker(root, 'scripted')
  const sent: Envelope[] = []
  const transport: Transport = {
    deliver: async (envelope) => void sent.push(envelope),
    request: async (_, timeoutMs) => Buffer.from(JSON.stringify({ sum: timeoutMs })),
  }
  const { log, lines } = testLog()
  const filename = join(process.cwd(), 'dist/supervisor/sandbox.js')
  const start = sandboxProcesses({ worker: 'scripted', root, logLevel: 'silent', definition, filename })
  const runner = createSandbox({ worker: 'scripted', definition, log, transport, start })
  t.teardown(() => runner.close())
  let last = 0
  function run(act: string, more: Partial<Signals & { deaths: number }> = {}): Promise<unknown> {
    const n = ++last
    const attempt = attemptOf(act, n, more.deaths)
    return outcomeOf(runner, attempt, more).then((json) => (json ? JSON.parse(json) : undefined))
  }
  const ran = () => (existsSync(join(root, 'ran')) ? readFileSync(join(root, 'ran'), 'utf8').trim().split('\n') : [])
  return { run, ran, sent, lines, root }
}

t.test('handlers run in another process, with the same context and the same bus', async (t) => {
  const { run, sent } = await sandbox(t)
  const [pid, again] = await Promise.all([run('pid'), run('pid')])
  t.not(pid, process.pid)
  t.equal(again, pid, 'together')
  t.strictSame(await run('send'), { id: 'sent' })
  t.match(sent, [{ id: 'sent', address: { kind: 'queue', name: 'other' }, headers: { 'x-request-id': 'r-1' } }])
  t.strictSame(await run('call'), { sum: 1_000 })
  await t.rejects(run('throw'), { name: 'UnrecoverableError', message: 'thrown' })
  t.ok((await run('throw').catch((error) => error)) instanceof UnrecoverableError)
  await t.rejects(run('timer'), { name: 'RangeError', message: 'in a timer' })
})

t.test('one that ends its process is charged with it; this process goes on', async (t) => {
  const { run } = await sandbox(t)
  const exit = (await run('exit').catch((error) => error)) as Error
  t.ok(exit instanceof KilledError)
  t.match(exit.message, /killed the worker 1 time: .*exit code 7/)
  await t.rejects(run('abort', { deaths: 2 }), /killed the worker 3 times: .*SIGABRT/)
  t.type(await run('pid'), 'number')
})

t.test('among others nobody is charged but the one, and the others are handled', async (t) => {
  const { run, ran } = await sandbox(t)
  const acts = Array.from({ length: 16 }, (_, n) => (n === 11 ? 'exit' : 'slow'))
  const results = await Promise.allSettled(acts.map((act) => run(act)))
  const rejected = results.flatMap((result, n) => (result.status === 'rejected' ? [n] : []))
  t.strictSame(rejected, [11])
  t.match(results[11], { reason: KilledError })
  const alone = ran().filter((line) => line.startsWith('exit')).length
  t.ok(alone <= 6, `it ran ${alone} times: with all, and then in halves`)
})

t.test('what a handler has left behind ends the process under another one: nobody is charged', async (t) => {
  const { run, ran } = await sandbox(t)
  t.equal(await run('later'), 'harmless')
  const lost = new AbortController()
  const waiting = run('untilLost', { lost: lost.signal })
  await until(() => ran().filter((line) => line.startsWith('untilLost')).length === 2, { what: 'another run' })
  lost.abort(new Error('cut'))
  t.match(await waiting, /lost/, 'it was run again by itself')
})

t.test('a handler that keeps its process busy is ended at its timeout, and alone', async (t) => {
  const { run } = await sandbox(t, "timeout: '200ms',")
  const [loop, neighbour] = await Promise.allSettled([run('loop'), run('slow')])
  t.match(loop, { status: 'rejected', reason: HandlerTimeoutError })
  t.match(neighbour, { status: 'fulfilled', value: 'slow' })
  await t.rejects(run('wait'), HandlerTimeoutError)
  t.equal(await run('slow'), 'slow')
})

t.test('a process that an earlier handler keeps busy is ended, and nobody is charged', async (t) => {
  const { run, ran } = await sandbox(t, "timeout: '200ms',")
  t.equal(await run('leaveLoop'), 'left')
  await until(() => ran().includes('loop'), { what: 'the loop to run' })
  t.equal(await run('slow'), 'slow')
})

t.test('with threads the same limits hold', async (t) => {
  const { run } = await sandbox(t, "timeout: '20s', threads: 2, memoryLimitMb: 96,")
  const [memory, exit, abort, good] = await Promise.allSettled(
    ['memory', 'exit', 'abort', 'slow'].map((act) => run(act)),
  )
  t.match(memory, { status: 'rejected', reason: HandlerMemoryError })
  t.match(exit, { status: 'rejected', reason: HandlerExitError })
  t.match(abort, { status: 'rejected', reason: KilledError })
  t.match(good, { status: 'fulfilled', value: 'slow' })
})

t.test(
  'a stop ends what runs and what waits, with its reason; a lost connection aborts the signal alone',
  async (t) => {
    const { run, ran } = await sandbox(t)
    const [stop, lost] = [new AbortController(), new AbortController()]
    const isLost = run('untilLost', { lost: lost.signal })
    await until(() => ran().length === 1, { what: 'the handler to start' })
    lost.abort(new Error('cut'))
    t.match(await isLost, /connection .* is lost: cut/)
    const reason = new Error('stopping')
    const stopped = Promise.allSettled(['wait', 'loop'].map((act) => run(act, { stop: stop.signal, deaths: 1 })))
    await until(() => ran().length === 2, { what: 'the first of them to start' })
    stop.abort(reason)
    for (const result of await stopped) t.match(result, { status: 'rejected', reason })
  },
)

t.test("a sandbox that can't start is tried again: the message is not to blame", async (t) => {
  const { run, root, lines } = await sandbox(t)
  const file = join(root, 'dist/workers/scripted.js')
  renameSync(file, `${file}.away`)
  const running = run('slow')
  await until(() => lines.items.some(({ msg }) => /could not start/.test(msg)), { what: 'the failure to be told' })
  renameSync(`${file}.away`, file)
  t.equal(await running, 'slow')
})

t.test('a process that can not be made is one that has ended', async (t) => {
  const definition = { threads: 0, memoryLimitMb: 64 }
  // An argument with a zero in it makes `fork` throw, as it does without memory.
  const start = sandboxProcesses({ worker: 'a\0b', root: '.', logLevel: 'info', definition, filename: 'none.js' })
  const end = await new Promise((onEnd) => start({ onMessage: () => {}, onEnd }))
  t.match(end, { code: null, signal: null })
})

t.test('where no process can start, suspects fail in the end, and the next ones sooner', async (t) => {
  const { log, lines } = testLog()
  let starts = 0
  const runner = createSandbox({
    worker: 'w',
    definition: { threads: 0, timeout: 1_000, memoryLimitMb: 64 },
    log,
    transport: { deliver: async () => {}, request: async () => new Uint8Array() },
    start({ onEnd }) {
      starts++
      setImmediate(onEnd, { code: 1, signal: null, isOutOfMemory: false })
      return { post() {}, kill() {}, end() {} }
    },
    firstWaitMs: 1,
  })
  t.teardown(() => runner.close())
  const suspects = [attemptOf('a', 1), attemptOf('b', 2)].map((attempt) => outcomeOf(runner, attempt))
  for (const suspect of suspects) await t.rejects(suspect, /The sandbox of worker 'w' could not start: it ended while/)
  t.equal(starts, 6)
  t.equal(lines.items.length, 6, 'each is told of')
  await t.rejects(outcomeOf(runner, attemptOf('c', 3)), /could not start/)
  t.equal(starts, 7)
})
