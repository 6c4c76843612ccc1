import type { ConsumeMessage } from 'amqplib'
import t from 'tap'
import { ValidationError } from '../../supervisor/base/errors.ts'
import { cursorOf, isAt, readCursor } from '../../supervisor/messaging/cursor.ts'
import { headersOfNextLife, idOf, readDeadLetter, readDetails } from '../../supervisor/messaging/dead-letter.ts'
import { randomFrom } from '../helpers/random.ts'

const letter = (headers: Record<string, unknown>, messageId?: string) => ({
  content: Buffer.from('{}'),
  properties: { headers, messageId },
})
const AT = '2026-11-23T10:00:00.000Z'
const death = (reason: string, value: number) => ({ reason, queue: 'q', count: 1, time: { '!': 'timestamp', value } })

t.test("what the broker gave up: its latest death, and an earlier attempt's failure", async (t) => {
  const headers = {
    'x-attempt': 2,
    'x-dead-first-failed-at': '2026-11-23T10:00:00.000Z',
    'x-death': [death('delivery_limit', 1_800_000_000), death('expired', 1)],
  }
  t.match(readDeadLetter(letter(headers, 'm'), 'w', 'q.dead'), {
    reason: 'delivery_limit',
    error: null,
    attempts: null,
    firstFailedAt: '2026-11-23T10:00:00.000Z',
    lastFailedAt: '2027-01-15T08:00:00.000Z',
  })
})

t.test('anything that is in a queue can be read', async (t) => {
  for (const headers of [{}, { 'x-death': 'nonsense' }, { 'x-death': [null] }, { 'x-dead-attempts': 'x' }]) {
    const { reason, attempts, firstFailedAt } = readDeadLetter(letter(headers, 'm'), 'w', 'q.dead')
    t.same([reason, attempts, firstFailedAt], ['unknown', null, null])
  }
})

t.test('the id of one without does not change with looking at it, and does with what it holds', async (t) => {
  const id = idOf(letter({ a: 1 }))
  t.equal(idOf(letter({ a: 1, 'x-delivery-count': 7 })), id)
  t.equal(idOf(letter({ a: 1, 'x-acquired-count': 9 })), id)
  t.not(idOf(letter({ a: 2 })), id)
  // RabbitMQ sorts the headers of what was put back.
  t.equal(idOf(letter({ b: 1, a: [{ d: 1, c: 2 }] })), idOf(letter({ a: [{ c: 2, d: 1 }], b: 1 })))
  t.equal(idOf(letter({ a: 1 }, 'its own')), 'its own')
})

t.test('a cursor finds its letter where it was or further up, and no other', async (t) => {
  const at = readDeadLetter(letter({ 'x-dead-reason': 'failed', 'x-dead-last-failed-at': AT }, 'm'), 'w', 'q.dead')
  const cursor = readCursor(cursorOf({ worker: 'w', index: 5, id: 'm', at: AT }))
  t.ok(isAt(cursor, at, 5))
  t.ok(isAt(cursor, at, 3))
  t.notOk(isAt(cursor, at, 6))
  t.notOk(isAt(cursor, { ...at, lastFailedAt: 'later' }, 5))
  const text = (...fields: unknown[]) => Buffer.from(JSON.stringify(fields)).toString('base64url')
  for (const bad of [
    '',
    'x',
    cursorOf({ worker: 'w', index: -1, id: 'm', at: null }),
    text('w', 1, 'm', {}),
    text('w', 1),
  ]) {
    t.throws(() => readCursor(bad), ValidationError)
  }
})

t.test('a time that is none, or that no calendar has, is not shown', async (t) => {
  for (const value of [99_999_999_999_999, -99_999_999_999_999, Number.NaN, Infinity, '1', null, {}, 2n ** 64n]) {
    const headers = { 'x-death': [death('expired', value as number)] }
    const details = readDetails(letter(headers, 'm') as unknown as ConsumeMessage, 'w', 'q.dead')
    t.match(details, { reason: 'expired', firstFailedAt: null, lastFailedAt: null })
    t.match(JSON.parse(JSON.stringify(details)).headers['x-death'], [{ queue: 'q' }])
  }
  for (const value of ['yesterday', '2026-13-45T00:00:00Z', 12, ['2026']]) {
    const headers = { 'x-dead-reason': 'failed', 'x-dead-last-failed-at': value, 'x-dead-first-failed-at': value }
    t.match(readDeadLetter(letter(headers, 'm'), 'w', 'q.dead'), { firstFailedAt: null, lastFailedAt: null })
  }
  t.equal(
    readDeadLetter(letter({ 'x-death': [death('expired', -1)] }), 'w', 'q').lastFailedAt,
    '1969-12-31T23:59:59.000Z',
  )
})

t.test("a redrive takes Warren's own notes away, by their names, and nothing of the sender's", async (t) => {
  const own = { 'x-dead-line': 'tomorrow', 'x-dead': 1, 'x-dead-reasons': [], 'x-version': 3, colour: 'green' }
  const notes = Object.fromEntries(
    ['reason', 'error', 'message', 'stack', 'attempts', 'worker', 'host', 'first-failed-at', 'last-failed-at'].map(
      (note) => [`x-dead-${note}`, 'noted'],
    ),
  )
  t.same(headersOfNextLife({ ...own, ...notes, 'x-attempt': 5, 'x-due': 1_800_000_000_000 }), {
    ...own,
    'x-attempt': 1,
    'x-life': 1,
  })
  for (const [life, next] of [
    [undefined, 1],
    [0, 1],
    [7, 8],
    [-1, 1],
    [1.5, 1],
    ['3', 1],
    [Number.MAX_SAFE_INTEGER, 1],
  ]) {
    t.equal(headersOfNextLife({ 'x-life': life })['x-life'], next, String(life))
  }
})

const seed = Number(process.env.WARREN_SEED ?? Date.now() % 2 ** 31)

t.test(`whatever its headers and properties hold, a letter is read, found and shown (seed ${seed})`, async (t) => {
  const random = randomFrom(seed)
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)] as T
  const names = ['x-dead-reason', 'x-dead-error', 'x-dead-message', 'x-dead-stack', 'x-dead-attempts', 'x-dead-host']
  const more = [
    'x-dead-first-failed-at',
    'x-dead-last-failed-at',
    'x-death',
    'x-life',
    '__proto__',
    'toString',
    '',
    '!',
  ]

  function value(depth = 0): unknown {
    const leaves = [
      () => pick([null, true, 0, -1, 1.5, Number.NaN, Infinity, -Infinity, 2 ** 63, 99_999_999_999_999, 2n ** 64n]),
      () => pick(['', 'text', '\uD800', '\u0000', AT, 'é'.repeat(40_000), '+275760-09-13T00:00:00.001Z']),
      () => Buffer.from([0xff, 0xfe, 0x00]),
      () => ({ '!': 'timestamp', value: value(9) }),
      () => ({ '!': pick(['decimal', 'float', 'nonsense']), value: value(9) }),
      () => undefined,
    ]
    const branches = [
      () => Array.from({ length: Math.floor(random() * 3) }, () => value(depth + 1)),
      () => fields(depth + 1),
      () => [fields(depth + 1)],
      () => Array.from({ length: 5_000 }).reduce((inner) => ({ inner }), 'deep'),
    ]
    return pick(depth > 3 ? leaves : [...leaves, ...branches])()
  }

  function fields(depth = 0): Record<string, unknown> {
    const used = Array.from({ length: Math.floor(random() * 6) }, () => pick([...names, ...more, 'time', 'reason']))
    // As a decoder makes them: an entry named `__proto__` is an own one, or has become the prototype.
    const entries = used.map((name) => [name, value(depth)] as const)
    const made = Object.fromEntries(entries)
    const parent = Object.hasOwn(made, '__proto__') ? made['__proto__' as keyof typeof made] : undefined
    return random() < 0.3 && typeof parent === 'object' ? Object.assign(Object.create(parent), made) : made
  }

  const wrong: string[] = []
  for (let round = 0; round < 1_000; round++) {
    const headers = random() < 0.05 ? value() : fields()
    const messageId = pick([undefined, '', 'id', '\uFFFD', '\uD800', 'x'.repeat(100_000), 7, value(9)])
    const properties = { headers, messageId, timestamp: value(), userId: value(), clusterId: undefined }
    const message = { content: Buffer.from([0xff, round & 0xff]), properties } as unknown as ConsumeMessage
    const check = (isRight: boolean, what: string) => void (isRight || wrong.push(`${round}: ${what}`))
    try {
      const listed = readDeadLetter(message, 'w', 'w.dead')
      for (const [name, field] of Object.entries(listed)) {
        const isCount = name === 'attempts' || name === 'bytes'
        check(field === null || typeof field === (isCount ? 'number' : 'string'), `${name} is ${typeof field}`)
        if (/At$/.test(name) && field !== null) new Date(field as string).toISOString()
      }
      check(
        [listed.reason, listed.error, listed.host].every((text) => (text?.length ?? 0) <= 200),
        'a name of any length',
      )
      const shown = JSON.parse(JSON.stringify(readDetails(message, 'w', 'w.dead')))
      check(shown.encoding === 'base64' && shown.id === listed.id && idOf(message) === listed.id, 'another letter')
      const cursor = { worker: 'w', index: round, id: listed.id, at: listed.lastFailedAt }
      check(isAt(readCursor(cursorOf(cursor)), listed, round), 'its page is not found again')
      const next = headersOfNextLife(Object(headers))
      check(next['x-attempt'] === 1 && Number.isSafeInteger(next['x-life']), 'no further life')
    } catch (error) {
      wrong.push(`${round}: ${(error as Error).stack}`)
    }
  }
  t.same(wrong.slice(0, 5), [])
})
