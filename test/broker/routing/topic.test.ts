import t from 'tap'
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
    const found = [...matcher.match(key, () => undefined)].map(({ routingKey }) => routingKey)
    t.same(found.sort(), [...expected].sort(), `'${key}'`)
  }
})

t.test('what is unbound is not met again, and its neighbours are', async (t) => {
  const matcher = topicMatcher()
  const bindings = new Map(KEYS.map((key) => [key, bindingOf(key)]))
  for (const binding of bindings.values()) matcher.add(binding)
  for (const gone of ['a.#', 'a.*.b', '#', 'never.bound']) matcher.remove(bindings.get(gone) ?? bindingOf(gone))
  const found = [...matcher.match('a.c.b', () => undefined)].map(({ routingKey }) => routingKey)
  t.same(found.sort(), ['#.#', '#.*', '#.b', '*.#', 'a.#.b'].sort())
})

t.test('many words and many # are found in time', { timeout: 100_000 }, async (t) => {
  const matcher = topicMatcher()
  matcher.add(bindingOf(`${Array(20).fill('#.a').join('.')}.b`))
  const found = [...matcher.match(Array(200).fill('a').join('.'), () => undefined)]
  t.same(found, [])
})
