import t from 'tap'
import { limitEffort } from '../../../supervisor/broker/routing/effort.ts'
import type { Binding } from '../../../supervisor/broker/routing/matcher.ts'
import { topicMatcher } from '../../../supervisor/broker/routing/topic.ts'

const KEYS = [
  '#',
  'a',
  'a.*',
  'a.#',
  '#.b',
  '*',
  '*.b',
  'a.#.b',
  '#.#',
  '*.*',
  '',
  'a..b',
  'a.*.b',
  '.',
  'a.',
  '*.',
  '#.*',
  '*.#',
  'A',
]

/** What RabbitMQ 4.0.5 routes where. */
const MEASURED: Record<string, string[]> = {
  '': ['#', '#.#', ''],
  a: ['a', '#', '*', 'a.#', '#.#', '#.*', '*.#'],
  'a.b': ['#', 'a.*', 'a.#', '#.b', '*.b', 'a.#.b', '#.#', '*.*', '#.*', '*.#'],
  'a.c.b': ['#', 'a.#', '#.b', 'a.#.b', '#.#', 'a.*.b', '#.*', '*.#'],
  'a..b': ['#', 'a.#', '#.b', 'a.#.b', '#.#', 'a..b', 'a.*.b', '#.*', '*.#'],
  '.': ['#', '#.#', '*.*', '.', '*.', '#.*', '*.#'],
  b: ['#', '*', '#.b', '#.#', '#.*', '*.#'],
  'a.': ['#', 'a.*', 'a.#', '#.#', '*.*', 'a.', '*.', '#.*', '*.#'],
  '..': ['#', '#.#', '#.*', '*.#'],
  A: ['#', '*', '#.#', 'A', '#.*', '*.#'],
  'x.y.z': ['#', '#.#', '#.*', '*.#'],
}

const bindingOf = (routingKey: string): Binding => ({
  source: 'x',
  destination: { kind: 'queue', name: routingKey },
  routingKey,
  arguments: {},
})

t.test('routes as RabbitMQ does', async (t) => {
  const matcher = topicMatcher()
  for (const key of KEYS) matcher.add(bindingOf(key))
  for (const [key, expected] of Object.entries(MEASURED)) {
    const found = [...matcher.match([key], () => undefined, limitEffort())].map(({ routingKey }) => routingKey)
    t.same(found.sort(), [...expected].sort(), `'${key}'`)
  }
})

t.test('what is unbound is not met again, and its neighbours are', async (t) => {
  const matcher = topicMatcher()
  const bindings = new Map(KEYS.map((key) => [key, bindingOf(key)]))
  for (const binding of bindings.values()) matcher.add(binding)
  for (const gone of ['a.#', 'a.*.b', '#', 'never.bound']) matcher.remove(bindings.get(gone) ?? bindingOf(gone))
  const found = [...matcher.match(['a.c.b'], () => undefined, limitEffort())].map(({ routingKey }) => routingKey)
  t.same(found.sort(), ['#.#', '#.*', '#.b', '*.#', 'a.#.b'].sort())
})

t.test('many words and many # are found in time', { timeout: 100_000 }, async (t) => {
  const matcher = topicMatcher()
  matcher.add(bindingOf(`${Array(20).fill('#.a').join('.')}.b`))
  const found = [...matcher.match([Array(200).fill('a').join('.')], () => undefined, limitEffort())]
  t.same(found, [])
})

t.test('the longest keys with the most wildcards, and many of them, are found in time', async (t) => {
  const matcher = topicMatcher()
  // 255 bytes hold 128 words.
  const wild = Array.from({ length: 127 }, (_, n) => (n % 2 ? '*' : '#')).join('.')
  const words = (n: number) => Array.from({ length: 128 }, (_, i) => String.fromCharCode(97 + ((i * n) % 26))).join('.')
  matcher.add(bindingOf(wild))
  matcher.add(bindingOf(Array(64).fill('#.a').join('.')))
  const keys = Array.from({ length: 60 }, (_, n) => words(n))
  const effort = limitEffort()
  t.same(
    [...matcher.match(keys, () => undefined, effort)].map(({ routingKey }) => routingKey.length),
    [wild.length, 255],
  )
})

t.test('a message that would take too long is refused', async (t) => {
  const matcher = topicMatcher()
  for (let n = 0; n < 2 ** 10; n++) {
    const letters = n.toString(2).padStart(10, '0').replaceAll('0', 'a').replaceAll('1', 'b')
    matcher.add(bindingOf(`#.${[...letters].join('.#.')}`))
  }
  const keys = Array.from({ length: 60 }, (_, n) => `${'a.b.'.repeat(60)}${n}`)
  t.throws(() => matcher.match(keys, () => undefined, limitEffort()), /406|PRECONDITION_FAILED.*comparisons/)
})
