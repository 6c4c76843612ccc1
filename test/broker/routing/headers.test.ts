import t from 'tap'
import type { Table } from '../../../supervisor/amqp/fields.ts'
import { limitEffort } from '../../../supervisor/broker/routing/effort.ts'
import { headersMatcher } from '../../../supervisor/broker/routing/headers.ts'

const BINDINGS: Table[] = [
  { 'x-match': 'all', a: 1, b: '2' },
  { 'x-match': 'any', a: 1, b: '2' },
  { a: 1 },
  {},
  { 'x-match': 'all-with-x', 'x-a': 1 },
  { 'x-match': 'any-with-x', 'x-a': 1, b: '3' },
  { 'x-match': 'all', 'x-a': 1 },
  { 'x-match': 'any', 'x-a': 1, a: 1 },
  { 'x-match': 'all', a: null },
  { 'x-match': 'all', n: null },
  { 'x-match': 'all-with-x' },
  { 'x-match': 'any' },
]

/** What RabbitMQ 4.0.5 routes where, by the index above. */
const MEASURED: [headers: Table | undefined, bindings: number[]][] = [
  [{ a: 1, b: '2' }, [0, 1, 2, 3, 6, 7, 8, 10]],
  [{ a: 1 }, [1, 2, 3, 6, 7, 8, 10]],
  [{ b: '2' }, [1, 3, 6, 10]],
  [{ a: '1' }, [3, 6, 8, 10]],
  [{ 'x-a': 1 }, [3, 4, 5, 6, 10]],
  [{ 'x-a': 2 }, [3, 6, 10]],
  [{ 'x-a': 1, b: '3' }, [3, 4, 5, 6, 10]],
  [{ n: 5 }, [3, 6, 9, 10]],
  [undefined, [3, 6, 10]],
]

t.test('routes as RabbitMQ does', async (t) => {
  const matcher = headersMatcher()
  for (const [index, args] of BINDINGS.entries()) {
    const destination = { kind: 'queue', name: String(index) } as const
    matcher.add({ source: 'x', destination, routingKey: '', arguments: args })
  }
  for (const [headers, expected] of MEASURED) {
    const found = [...matcher.match(['ignored'], () => headers, limitEffort())].map(({ destination }) =>
      Number(destination.name),
    )
    t.same(found, expected, JSON.stringify(headers))
  }
})
