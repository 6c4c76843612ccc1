import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { loggerOn } from '../../supervisor/base/log.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

const LOG = new URL('../../supervisor/base/log.js', import.meta.url).href

const explode = () => {
  throw new Error('a trap')
}
const TRAPS = Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((trap) => [trap, explode]))
const circular: Record<string, unknown> = {}
circular.self = circular

const ODD: unknown[] = [
  null,
  undefined,
  Symbol('s'),
  10n,
  explode,
  new Proxy({}, TRAPS),
  new Proxy(new Error('x'), TRAPS),
  Object.freeze(new Error('frozen')),
  Object.defineProperty({}, 'x', { get: explode, enumerable: true }),
  Object.defineProperty(new Error('x'), 'message', { get: explode }),
  Object.defineProperty(new Error('x'), 'stack', { get: explode }),
  { toJSON: explode },
  { toString: explode, [Symbol.toPrimitive]: explode },
  circular,
  new Map([[1, 2]]),
  Object.create(null),
]

t.test('no log call throws, whatever is logged, and each writes one line', async (t) => {
  const lines: string[] = []
  const log = loggerOn({ write: (line) => void lines.push(line) }, { level: 'trace' })
  for (const odd of ODD) {
    const calls: [string, () => void][] = [
      ['alone', () => log.info(odd as object)],
      ['with a message', () => log.warn(odd as object, 'a message')],
      ['as err', () => log.error({ err: odd }, 'a message')],
      ['as a field', () => log.fatal({ field: odd }, 'a message')],
      ['as a parameter', () => log.debug('%s %d %o %j', ...([odd, odd, odd, odd] as never[]))],
      ['bound', () => log.child({ field: odd }).info('a message')],
      ['as bindings', () => log.child(odd as object).info('a message')],
      ['bound twice', () => log.child({ err: odd }).child({ other: odd }).info('a message')],
    ]
    for (const [how, call] of calls) {
      lines.length = 0
      t.doesNotThrow(call, how)
      t.equal(lines.length, 1, how)
      t.ok(JSON.parse(lines[0] as string).level, how)
    }
  }
})

t.test('nor with any object', async () => {
  const lines: string[] = []
  const log = loggerOn({ write: (line) => void lines.push(line) }, { level: 'trace' })
  const values = fc.oneof(fc.anything({ withBigInt: true, withMap: true, withNullPrototype: true }))
  fc.assert(
    fc.property(values, fc.string(), (value, text) => {
      lines.length = 0
      log.info({ value }, text)
      log.child({ value }).error({ err: value })
      if (lines.length !== 2 || lines.some((line) => typeof JSON.parse(line) !== 'object')) throw new Error('a line')
    }),
    { numRuns: 300 },
  )
})

t.test('an error is logged with what its record has', async (t) => {
  const lines: string[] = []
  const log = loggerOn({ write: (line) => void lines.push(line) }, { level: 'trace' })
  const error = Object.assign(new RangeError('m', { cause: new Error('why') }), {
    code: 'E',
    errno: -2,
    token: 'secret',
  })
  log.error(error)
  log.error({ err: error }, 'text')
  const [alone, field] = lines.map((line) => JSON.parse(line))
  const err = { type: 'RangeError', message: 'm', code: 'E', errno: -2, stack: /log\.test/, cause: { message: 'why' } }
  t.match(alone, { level: 'error', err, msg: 'm' })
  t.match(field, { level: 'error', err, msg: 'text' })
  t.notMatch(lines.join(), 'secret')
})

/** Runs a process that logs to the given output. */
function start(t: Test, stdout: 'pipe' | number, code: string) {
  const source = `import { createLogger } from '${LOG}'; const log = createLogger('t', 'info'); ${code}`
  const args = ['--input-type=module', '-e', source]
  const child = spawn(process.execPath, args, { stdio: ['ignore', stdout, 'pipe', 'ipc'] })
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr?.on('data', (chunk) => (errors += chunk))
  return { child, ended: once(child, 'close').then(([code]) => ({ code, errors })) }
}

t.test('a full disk costs the lines, not the process', async (t) => {
  const { ended } = start(
    t,
    openSync('/dev/full', 'w'),
    "log.info('a'); log.fatal('b'); setTimeout(() => process.exit(7), 50)",
  )
  t.match(await ended, { code: 7, errors: '' })
})

t.test('a closed pipe costs the lines, not the process', async (t) => {
  const code =
    "process.on('message', () => { log.info('a'); log.error('b'); setTimeout(() => process.exit(7), 50) }); process.send('up')"
  const { child, ended } = start(t, 'pipe', code)
  await once(child, 'message')
  child.stdout?.destroy()
  await once(child.stdout as never, 'close')
  child.send('go')
  t.match(await ended, { code: 7, errors: '' })
})

t.test('what was lost is told once when writing works again, and lines stay whole', async (t) => {
  // A limit on the size of a file is a disk that is full, and then is not.
  const file = `${temporaryFolder(t)}/log`
  const code = `
    import { ftruncateSync, readFileSync } from 'node:fs'
    for (let i = 0; i < 100; i++) log.info({ i }, 'x'.repeat(100))
    process.stderr.write(readFileSync('${file}'))
    ftruncateSync(1, 0)
    log.info('room'); log.info('more')`
  const source = `import { createLogger } from '${LOG}'; const log = createLogger('t', 'info'); ${code}`
  const script = `trap '' XFSZ; ulimit -f 4; exec "$0" --input-type=module -e "$1" >>'${file}'`
  const child = spawn('bash', ['-c', script, process.execPath, source], { stdio: ['ignore', 'ignore', 'pipe'] })
  let before = ''
  child.stderr.on('data', (chunk) => (before += chunk))
  await once(child, 'close')
  const whole = before
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
  t.ok(whole.length > 5 && whole.length < 50, `${whole.length} lines fit`)
  const after = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(after, [{ level: 'warn', lost: 100 - whole.length, code: 'EFBIG' }, { msg: 'room' }, { msg: 'more' }])
  t.equal(after.length, 3)
})

t.test('a reader that has stopped costs lines, not time; what fits comes whole and in order', async (t) => {
  const code = `
    for (let i = 0; i < 3_000; i++) log.info({ i }, 'x'.repeat(1_000))
    process.send('logged')
    process.on('message', () => { log.info('at the end'); process.exit(7) })`
  const { child, ended } = start(t, 'pipe', code)
  // Nobody reads until all is logged.
  await once(child, 'message')
  let text = ''
  child.stdout?.on('data', (chunk) => (text += chunk))
  // It tries again by itself, and tells what is missing.
  while (!text.includes('"lost"')) await once(child.stdout as never, 'data')
  child.send('go')
  t.match(await ended, { code: 7, errors: '' })
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const numbers = lines.flatMap(({ i }) => (i === undefined ? [] : [i]))
  t.same(numbers, [...numbers.keys()], 'from the first on')
  t.match(lines.slice(numbers.length), [{ lost: 3_000 - numbers.length }, { msg: 'at the end' }])
})
