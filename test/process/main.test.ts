import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import t, { type Test } from 'tap'

const MAIN = new URL('../../supervisor/process/main.js', import.meta.url).href
const WORK = new URL('../../supervisor/base/work.js', import.meta.url).href
const ERRORS = new URL('../../supervisor/base/errors.js', import.meta.url).href

interface Ended {
  code: number | null
  output: string
  states: { status: string; reason?: string; code?: string }[]
  messages: unknown[]
}

/** Runs a process whose start is the given code, with an IPC channel as under pm2. */
function run(
  t: Test,
  start: string,
  env: NodeJS.ProcessEnv = {},
): { child: ChildProcess; ended: Promise<Ended>; ready: Promise<void> } {
  const folder = mkdtempSync(join(tmpdir(), 'w-main-'))
  const file = join(folder, 'process.mjs')
  writeFileSync(
    file,
    `import { main } from '${MAIN}'
     import { ConfigError } from '${ERRORS}'
     void ConfigError
     await main('test', async ({ report, fail, log }) => { void fail; void log
       const timer = setInterval(() => {}, 1_000); void timer
       ${start}
     })`,
  )
  const child = fork(file, {
    cwd: folder,
    env: { PATH: process.env.PATH, AMQP_URL: 'amqp://localhost', SHUTDOWN_TIMEOUT: '500ms', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const messages: unknown[] = []
  let output = ''
  child.stdout?.on('data', (chunk) => (output += chunk))
  child.stderr?.on('data', (chunk) => (output += chunk))
  const ready = new Promise<void>((resolve) => {
    child.on('message', (message) => {
      messages.push(message)
      if (message === 'ready') resolve()
    })
  })
  // Not the child's own 'close', which never comes once the channel was disconnected from here.
  const streams = [child.stdout, child.stderr].map((stream) => once(stream as Readable, 'close'))
  // What it has told may be read after its end.
  const read = once(child, 'disconnect')
  const ended: Promise<Ended> = Promise.all([once(child, 'exit'), read, ...streams]).then(([[code]]) => ({
    code: code as number | null,
    output,
    messages,
    states: messages.flatMap((m) =>
      (m as { type?: string }).type === 'warren:state' ? [(m as { data: never }).data] : [],
    ),
  }))
  t.teardown(() => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  return { child, ended, ready }
}

const READY = "await report.set({ status: 'ready' })"
const DRAIN = "return { stop: async () => { console.log('drained') } }"
const HANG = "return { stop: (deadline) => new Promise((r) => deadline.addEventListener('abort', r)) }"

for (const [cause, end] of [
  ['SIGINT', (child: ChildProcess) => child.kill('SIGINT')],
  ['SIGTERM', (child: ChildProcess) => child.kill('SIGTERM')],
  ["pm2's shutdown message", (child: ChildProcess) => child.send('shutdown')],
  ['a lost daemon', (child: ChildProcess) => child.disconnect()],
] as const) {
  t.test(`${cause} drains`, async (t) => {
    const { child, ended, ready } = run(t, `${READY}; ${DRAIN}`)
    await ready
    end(child)
    const { code, output } = await ended
    t.equal(code, 0)
    t.match(output, 'drained')
  })
}

t.test('a drain ends at SHUTDOWN_TIMEOUT', async (t) => {
  const { child, ended, ready } = run(t, `${READY}; ${HANG}`)
  await ready
  const began = Date.now()
  child.kill('SIGINT')
  const { code } = await ended
  t.equal(code, 0)
  t.ok(Date.now() - began >= 490, 'not before')
})

t.test('a second signal exits at once', async (t) => {
  const { child, ended, ready } = run(t, `${READY}; ${HANG}`, { SHUTDOWN_TIMEOUT: '60s' })
  await ready
  child.kill('SIGINT')
  const draining = new Promise<void>((resolve) => {
    child.on('message', (m) => (m as { data?: { status?: string } }).data?.status === 'draining' && resolve())
  })
  await draining
  child.kill('SIGTERM')
  t.equal((await ended).code, 1)
})

t.test("the user's mistakes end with EXIT_CONFIG and without a stack", async (t) => {
  const { code, output, states } = await run(t, "throw new ConfigError(['X: expected 1'])").ended
  t.equal(code, 78)
  t.match(states.at(-1), { status: 'failed', reason: /X: expected 1/, code: 'WARREN_CONFIG' })
  t.notMatch(output, /\bat /)
})

t.test('the configuration is checked first', async (t) => {
  const { code, states } = await run(t, READY, { PORT: 'x' }).ended
  t.equal(code, 78)
  t.match(states.at(-1), { status: 'failed', reason: /PORT/ })
})

t.test('other errors of the start, and later ones, exit with 1', async (t) => {
  const start = await run(t, "throw new Error('disk full')").ended
  t.equal(start.code, 1)
  t.match(start.states.at(-1), { status: 'failed', reason: 'disk full' })

  const later = await run(t, `${READY}; setTimeout(() => { throw new Error('late') }, 20); ${DRAIN}`).ended
  t.equal(later.code, 1)
  t.match(later.output, 'drained')
  t.match(later.states.at(-1), { status: 'failed', reason: 'late' })

  const told = await run(t, `${READY}; setTimeout(() => fail(new Error('told')), 20); ${DRAIN}`).ended
  t.equal(told.code, 1)
  t.match(told.states.at(-1), { status: 'failed', reason: 'told' })
})

t.test('it drains whatever nobody has caught, and whatever happens to its log', async (t) => {
  const explode = '() => { throw new Error(1) }'
  const thrown = {
    'Object.freeze(new Error("frozen"))': /frozen/,
    [`Object.defineProperty(new Error('getter'), 'x', { get: ${explode}, enumerable: true })`]: /getter/,
    [`Object.defineProperty(new Error('x'), 'message', { get: ${explode} })`]: /./,
    [`Object.assign(new Error('coded'), { code: { toString: ${explode} } })`]: /coded/,
    [`new Proxy({}, { get: ${explode}, getPrototypeOf: ${explode}, has: ${explode} })`]: /./,
    null: /null/,
    'Symbol("s")': /s/,
  }
  await Promise.all(
    Object.entries(thrown).flatMap(([what, reason]) =>
      [`setTimeout(() => { throw ${what} }, 20)`, `setTimeout(() => Promise.reject(${what}), 20)`].map(async (how) => {
        const { code, output, states } = await run(t, `${READY}; ${how}; ${DRAIN}`).ended
        t.equal(code, 1, how)
        t.match(output, 'drained', how)
        t.match(output, '"level":"fatal"', how)
        t.match(states.at(-1), { status: 'failed', reason }, how)
      }),
    ),
  )
  const unwritable = `import('node:fs').then(({ closeSync }) => { closeSync(1); process.stdout.write('x'); setTimeout(() => { throw new Error('late') }, 20) })`
  const deaf = await run(t, `${READY}; ${unwritable}; return { stop: async () => { process.send('drained') } }`).ended
  t.equal(deaf.code, 1)
  t.ok(deaf.messages.includes('drained'))
})

t.test('what belongs to work that answers for it ends nothing', async (t) => {
  const owned = `
    const { runAs } = await import('${WORK}')
    const taken = []
    const owner = { uncaught: (_, error, origin) => taken.push(origin + ' ' + error.message) > 0 }
    runAs({ owner }, () => {
      void (async () => { throw new Error('not awaited') })()
      setTimeout(() => { throw new Error('in a timer') }, 20)
      setTimeout(() => queueMicrotask(() => { throw new Error('in a microtask') }), 40)
      setTimeout(() => process.send({ taken }), 80)
    })`
  const { child, ended, ready } = run(t, `${owned}; ${READY}; ${DRAIN}`)
  await ready
  const taken = new Promise((resolve) => {
    child.on('message', (message) => 'taken' in (message as object) && resolve((message as { taken: string[] }).taken))
  })
  t.same(await taken, ['rejection not awaited', 'exception in a timer', 'exception in a microtask'])
  child.kill('SIGINT')
  t.equal((await ended).code, 0)
})

t.test('it says ready once, and its state again when asked', async (t) => {
  const { child, ended, ready } = run(
    t,
    `${READY}; await report.set({ status: 'waiting', reason: 'w' }); ${READY}; ${DRAIN}`,
  )
  await ready
  child.send({ topic: 'warren:state', type: 'warren:state', data: {}, id: 0 })
  const answered = new Promise<void>((resolve) => {
    let count = 0
    child.on('message', (m) => (m as { data?: { status?: string } }).data?.status === 'ready' && ++count && resolve())
  })
  await answered
  child.kill('SIGINT')
  const { messages } = await ended
  t.equal(messages.filter((m) => m === 'ready').length, 1)
})

t.test('a process whose daemon ended while it was loading ends as well', async (t) => {
  const { child, ended } = run(t, `${READY}; ${DRAIN}`, { pm_id: '0' })
  child.disconnect()
  t.equal((await ended).code, 0)
})
