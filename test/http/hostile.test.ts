// Random requests, of the kinds that have made servers fall over: none of them is answered by an error of ours.
import t from 'tap'
import type { DeadLetters } from '../../supervisor/base/dead-letters.ts'
import { DeadLetterError, ValidationError } from '../../supervisor/base/errors.ts'
import { readCursor } from '../../supervisor/messaging/cursor.ts'
import { aFleet, aWorker } from '../helpers/fleet.ts'
import { startFrontDoor } from '../helpers/front-door.ts'
import { randomFrom } from '../helpers/random.ts'
import { rawHttp } from '../helpers/raw-http.ts'

const SEED = Number(process.env.SEED ?? 1)
const REQUESTS = Number(process.env.REQUESTS ?? 400)

const METHODS = [
  'GET',
  'GET',
  'GET',
  'HEAD',
  'POST',
  'DELETE',
  'PUT',
  'PATCH',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'get',
]
const PATHS = [
  '/dead-letters',
  '/dead-letters/',
  '/dead-letters/redrive',
  '/workers',
  '/workers/',
  '/healthz',
  '/readyz',
  '/',
]
const PIECES = [
  '%00',
  '%',
  '%zz',
  '%C0%AF',
  '%ED%A0%80',
  '%FF',
  '%2F',
  '%2e%2e',
  '..',
  '.',
  '//',
  '\\',
  '%0d%0aX-Injected:%201',
  '%25',
  ';',
  '#',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '<script>',
  "'",
  '"',
  '[',
  '{',
  '*',
  ':id',
  '%F0%9F%98%80',
  '\xe9',
  '\t',
  'a'.repeat(4_000),
]
const NAMES = [
  'worker',
  'error',
  'limit',
  'after',
  '__proto__',
  'constructor',
  'toString',
  'worker[]',
  '',
  'limit%00',
  'a'.repeat(300),
]
const VALUES = [
  '',
  '0',
  '1',
  '-1',
  '1e999',
  'NaN',
  'Infinity',
  '0x10',
  '9'.repeat(400),
  '1.5',
  '%00',
  '__proto__',
  '%',
  'W10',
  '%FF',
  'x',
]
const HEADERS = [
  'X-Request-Id: ok',
  'X-Request-Id: \xff\xfe',
  `X-Request-Id: ${'x'.repeat(5_000)}`,
  'X-Request-Id: a\tb',
  'Authorization: Bearer \xff',
  'Content-Type: application/json; charset="',
  'Accept: ;;;,,,q=',
  `Range: bytes=${'0-,'.repeat(1_000)}`,
  'Cookie: __proto__=1',
  'X-Forwarded-Host: evil.example',
  'X-HTTP-Method-Override: DELETE',
  `If-None-Match: ${'"a",'.repeat(500)}`,
]

const never = new DeadLetterError('WARREN_DEAD_LETTER_NOT_FOUND', 'none')
const deadLetters: DeadLetters = {
  async list({ limit, after }) {
    if (after !== undefined) readCursor(after)
    if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) throw new Error(`limit ${limit} got through`)
    return { deadLetters: [], next: null }
  },
  get: () => Promise.reject(never),
  redrive: () => Promise.reject(never),
  redriveAll: async () => ({ redriven: 0, skipped: [] }),
  remove: () => Promise.reject(never),
  purge: async () => 0,
}

t.test('what nobody sensible sends is never an error of ours', async (t) => {
  const broken = [{ name: 'broken', file: 'workers/broken.ts', reason: 'workers/broken.ts: no' }]
  const { url, lines } = await startFrontDoor(t, { deadLetters, fleet: aFleet([aWorker()]), broken })
  const random = randomFrom(SEED)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
  const some = <T>(from: readonly T[], most: number) =>
    Array.from({ length: Math.floor(random() * (most + 1)) }, () => pick(from))

  const counts = new Map<number, number>()
  for (let i = 0; i < REQUESTS; i++) {
    const query = some(NAMES, 4).map((name) => `${name}=${pick(VALUES)}`)
    const target =
      pick(PATHS) + (random() < 0.5 ? some(PIECES, 3).join('') : '') + (query.length > 0 ? `?${query.join('&')}` : '')
    const head = [`${pick(METHODS)} ${target} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...some(HEADERS, 3)]
    const answer = await rawHttp(url, head)
    const status = answer.status ?? 0
    counts.set(status, (counts.get(status) ?? 0) + 1)
    const isOurs = status >= 500 || status < 200
    if (isOurs || answer.statuses.length !== 1 || /^x-injected/im.test(answer.text)) {
      t.fail(`SEED=${SEED}, request ${i} was answered ${answer.statuses}`, { head, text: answer.text.slice(0, 500) })
    }
  }
  t.comment(
    [...counts]
      .sort()
      .map(([status, count]) => `${count} x ${status}`)
      .join(', '),
  )
  t.ok((counts.get(200) ?? 0) > 0 && (counts.get(422) ?? 0) > 0 && (counts.get(404) ?? 0) > 0, 'of every kind')
  for (const line of lines) JSON.parse(line)
  t.notMatch(lines.join(), /"level":50/)
  t.equal((await fetch(`${url}/healthz`)).status, 200)
})

t.test('a cursor is one of ours, or refused', async (t) => {
  const random = randomFrom(SEED)
  const values = ['w', 'id', '', 0, 7, -1, 1.5, 2 ** 53, null, undefined, [], {}, true, '__proto__', [[]]]
  for (let i = 0; i < 5_000; i++) {
    const array = Array.from(
      { length: random() < 0.7 ? 4 : Math.floor(random() * 6) },
      () => values[Math.floor(random() * values.length)],
    )
    const bytes = random() < 0.3 ? Buffer.from(array.map((_, n) => n * 37)) : Buffer.from(JSON.stringify(array))
    try {
      const { worker, index, id, at } = readCursor(bytes.toString('base64url'))
      t.ok(
        typeof worker === 'string' &&
          Number.isSafeInteger(index) &&
          index >= 0 &&
          typeof id === 'string' &&
          (at === null || typeof at === 'string'),
      )
    } catch (error) {
      if (!(error instanceof ValidationError)) t.fail(`${bytes}: ${error}`)
    }
  }
})
