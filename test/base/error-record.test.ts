import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { type ErrorRecord, isA, recordOf, recordOfHandler, reviveError } from '../../supervisor/base/error-record.ts'
import * as errors from '../../supervisor/base/errors.ts'

const { ConfigError, KilledError, RetryError, StartupError, UnrecoverableError, ValidationError } = errors

const bytes = (text: string) => Buffer.byteLength(text)

/** What makes a record safe to use anywhere: plain, bounded, well-formed, and nothing of the thrown value in it. */
function problemsOf(record: ErrorRecord): string[] {
  const problems: string[] = []
  const check = (isRight: boolean, problem: string) => void (isRight || problems.push(problem))
  check(typeof record.name === 'string' && bytes(record.name) <= 200 && record.name !== '', 'name')
  check(typeof record.message === 'string' && bytes(record.message) <= 2_048, 'message')
  check(typeof record.stack === 'string' && bytes(record.stack) <= 8_192, 'stack')
  const json = JSON.stringify(record)
  check(bytes(json) < 128 * 1024, 'size')
  check(JSON.stringify(structuredClone(record)) === json, 'clone')
  // Lone surrogates would be escaped, or end as other bytes on the wire.
  check(!/\\ud[89a-f]/i.test(json.replaceAll('\\\\', '')), 'surrogates')
  walk(record)
  return problems

  function walk(value: unknown): void {
    if (typeof value !== 'object' || value === null) {
      check(['string', 'number'].includes(typeof value), 'value')
      return
    }
    check([Object.prototype, Array.prototype].includes(Object.getPrototypeOf(value)), 'prototype')
    for (const part of Object.values(value)) walk(part)
  }
}

const fail = (error: unknown) => {
  throw error
}
const explode = () => fail(new Error('a trap'))
const TRAPS = Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((trap) => [trap, explode]))

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

function circular(): Error {
  const error = new Error('circular')
  return Object.assign(error, { cause: Object.assign(new Error('inner'), { cause: error }), self: error })
}

/** One that says of each of its prototypes that there is another: `instanceof` would walk for ever. */
function endless(): object {
  const proxy: object = new Proxy(new Error('endless'), { getPrototypeOf: () => proxy })
  return proxy
}

class Hostile extends Error {
  override get name(): string {
    throw new Error('name')
  }
  override get message(): string {
    throw new Error('message')
  }
  override get stack(): string {
    throw new Error('stack')
  }
  override get cause(): unknown {
    throw this
  }
  override toString(): string {
    throw new Error('toString')
  }
  [Symbol.toPrimitive](): string {
    throw new Error('toPrimitive')
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    throw new Error('inspect')
  }
  toJSON(): string {
    throw new Error('toJSON')
  }
}

const ODD: [string, () => unknown][] = [
  ['nothing', () => undefined],
  ['null', () => null],
  ['a symbol', () => Symbol('s')],
  ['a bigint', () => 10n],
  ['a huge bigint', () => 1n << 100_000n],
  ['a function', () => explode],
  ['a text of 20 MB', () => 'x'.repeat(20_000_000)],
  ['an object without a prototype', () => Object.create(null)],
  ['a proxy whose traps throw', () => new Proxy({}, TRAPS)],
  ['a proxy of an error whose traps throw', () => new Proxy(new Error('x'), TRAPS)],
  ['an object above such a proxy', () => Object.create(new Proxy({}, TRAPS))],
  ['a function proxy whose traps throw', () => new Proxy(explode, TRAPS)],
  ['a revoked proxy', () => revoked({})],
  ['a revoked proxy of a list', () => revoked([])],
  ['an endless proxy', endless],
  ['a frozen error', () => Object.freeze(new Error('no such customer'))],
  ['getters that throw', () => new Hostile()],
  ['a stack of call sites', () => Object.assign(new Error('x'), { stack: [{ getFunction: () => explode }] })],
  ['a stack that is a number', () => Object.assign(new Error('x'), { stack: 7 })],
  ['a stack that throws', () => Object.defineProperty(new Error('x'), 'stack', { get: explode })],
  [
    'an enumerable getter that throws',
    () => Object.defineProperty(new Error('x'), 'y', { get: explode, enumerable: true }),
  ],
  ['a circular one', circular],
  [
    'causes without an end',
    () => Array.from({ length: 1_000 }).reduce((cause) => new Error('x', { cause }), undefined),
  ],
  ['an aggregate of itself', () => Object.assign(new AggregateError([], ''), { errors: [revoked([]), circular()] })],
  ['a list that lies', () => Object.assign(new ValidationError('x', []), { issues: revoked([]) })],
  ['lone surrogates', () => Object.assign(new Error('\ud800x\udfff'), { name: '\udc00', stack: '\ud83d' })],
  [
    'texts of 20 MB',
    () => Object.assign(new Error('😀'.repeat(5_000_000)), { name: 'n'.repeat(1e6), code: 'c'.repeat(1e6) }),
  ],
  ['a promise', () => Promise.resolve()],
  ['a class', () => Hostile],
]

t.test('anything that is thrown makes a plain record', async (t) => {
  for (const [what, make] of ODD) t.same(problemsOf(recordOf(make())), [], what)
})

t.test('any error with any properties makes a plain record', async () => {
  // Makers: fast-check looks into the values that it generates.
  const plain = fc.anything({ withBigInt: true, withMap: true, withTypedArray: true }).map((value) => () => value)
  const odd = fc.oneof(plain, fc.constantFrom(...ODD.map(([, make]) => make)))
  const keys = fc.constantFrom(
    'name',
    'message',
    'stack',
    'code',
    'cause',
    'errors',
    'issues',
    'problems',
    'delayMs',
    'remoteName',
    'errno',
    'status',
  )
  const given = fc.array(fc.tuple(keys, odd, fc.boolean()), { maxLength: 6 })
  const kinds = fc.constantFrom(
    () => new Error('x'),
    () => new RetryError(),
    () => new ValidationError('x', []),
    () => ({ message: 'x' }),
    () => new AggregateError([], ''),
  )
  fc.assert(
    fc.property(kinds, given, (make, properties) => {
      const error = make() as object
      for (const [key, value, isGetter] of properties) {
        const what = isGetter ? { get: () => fail(value()) } : { value: value() }
        try {
          Object.defineProperty(error, key, { ...what, enumerable: true, configurable: true })
        } catch {
          // V8 formats the stack at its first use, of a name that throws by now.
        }
      }
      const record = recordOf(error)
      const problems = [...problemsOf(record), ...problemsOf(recordOf(reviveError(record)))]
      if (problems.length > 0) throw new Error(problems.join())
    }),
    { numRuns: 500 },
  )
})

t.test('texts are cut between characters', async (t) => {
  for (let length = 2_040; length < 2_056; length++) {
    for (const character of ['x', 'ü', '…', '😀']) {
      const text = `${'x'.repeat(length)}${character.repeat(20)}`
      const { message } = recordOf(new Error(text))
      const whole = message.replace(/…$/, '')
      if (!text.startsWith(whole) || bytes(message) > 2_048 || bytes(message) < 2_040) t.fail(`${length} ${character}`)
    }
  }
  t.equal(recordOf(new Error('x'.repeat(2_048))).message.length, 2_048, 'what fits stays as it is')
})

t.test('what is thrown tells as much as it can', async (t) => {
  t.match(recordOf(new RangeError('too much')), {
    name: 'RangeError',
    message: 'too much',
    stack: /error-record\.test/,
  })
  t.match(recordOf('text'), { name: 'Error', message: /not an Error: 'text'/ })
  t.match(recordOf({ a: 1 }), { message: /\{ a: 1 \}/ })
  t.match(recordOf({ message: 'of its own', code: 404 }), { message: 'of its own', code: '404' })
  t.match(
    recordOf(Object.assign(new Error('x'), { stack: 7, errno: -2, config: { headers: { authorization: 'secret' } } })),
    {
      stack: '',
      facts: { errno: -2 },
    },
  )
  t.notMatch(JSON.stringify(recordOf(Object.assign(new Error('x'), { token: 'secret' }))), 'secret')
  const chain = recordOf(new Error('a', { cause: new Error('b', { cause: 'c' }) }))
  t.match(chain, { message: 'a', cause: { message: 'b', cause: { message: /'c'/ } } })
  t.match(recordOf(new AggregateError([new Error('::1 refused'), new Error('127.0.0.1 refused')])), {
    message: '::1 refused; 127.0.0.1 refused',
  })
  const foreign = runInNewContext("Object.assign(new TypeError('elsewhere'), { code: 'E' })")
  t.match(recordOf(foreign), { name: 'TypeError', message: 'elsewhere', code: 'E', stack: /elsewhere/ })
  const trusting = new Proxy(new UnrecoverableError('through a proxy'), {})
  t.match(recordOf(trusting), { kind: 'UnrecoverableError', message: 'through a proxy' })
})

t.test(
  "Warren's errors keep their kind and particulars, from threads and from other copies of the package",
  async (t) => {
    class Gone extends UnrecoverableError {}
    t.equal(recordOf(new Gone('x')).kind, 'UnrecoverableError')
    t.equal(recordOf(Object.assign(new Error('x'), { name: 'UnrecoverableError' })).kind, undefined, 'a name alone')
    t.equal(recordOf(Object.assign(new Error('x'), { code: 'WARREN_UNRECOVERABLE' })).kind, 'UnrecoverableError')
    t.equal(recordOf(new RetryError({ delay: '3s' })).delayMs, 3_000)
    t.equal(recordOf(Object.assign(new RetryError(), { delayMs: '3s' })).delayMs, undefined)
    t.ok(isA(recordOf(new ConfigError(['x'])), StartupError))
    t.notOk(isA(recordOf(new StartupError('X', 'x')), ConfigError))
    t.notOk(isA(recordOf(new Error('x')), StartupError))
    t.equal(recordOf(new KilledError('w', 1, 'SIGKILL')).kind, 'KilledError')
    t.equal(recordOfHandler(new KilledError('w', 1, 'SIGKILL')).kind, undefined, "not a handler's to say")

    // As npm leaves it where two packages of a project need two versions of Warren.
    const base = fileURLToPath(new URL('../../supervisor/base', import.meta.url))
    const other = t.testdir()
    mkdirSync(join(other, 'base'))
    cpSync(base, join(other, 'base'), { recursive: true })
    const copy = pathToFileURL(join(other, 'base')).href
    const theirs: typeof errors = await import(`${copy}/errors.js`)
    await import(`${copy}/error-record.js`)
    const error = new theirs.RetryError({ delay: '2s' })
    t.notOk(error instanceof RetryError)
    t.match(recordOf(error), { kind: 'RetryError', delayMs: 2_000 })
  },
)

t.test('every error class of ours is a kind, and comes back as one', async (t) => {
  for (const [name, value] of Object.entries(errors)) {
    if (typeof value !== 'function' || !(value.prototype instanceof Error)) continue
    const error = Object.create(value.prototype) as Error
    Object.assign(error, { message: 'm', code: 'C' })
    const revived = reviveError(structuredClone(recordOf(error)))
    t.ok(revived instanceof value, name)
    t.match(revived, { message: 'm', code: 'C' })
  }
  const issues = [{ path: 'a.b', message: 'wrong' }]
  t.same((reviveError(recordOf(new ValidationError('x', issues))) as errors.ValidationError).issues, issues)
})

t.test('the reason of anything is a text', async (t) => {
  for (const [what, make] of ODD) {
    const reason = errors.reasonOf(make())
    t.ok(typeof reason === 'string' && reason !== '' && bytes(reason) <= 64 * 1024, what)
  }
  t.equal(errors.reasonOf('text'), 'text')
  t.equal(errors.reasonOf(new RangeError()), 'RangeError')
  t.equal(errors.reasonOf(new Error('m')), 'm')
})
