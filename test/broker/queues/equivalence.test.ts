import t from 'tap'
import { decodeTable, encodeTable, type FieldValue, timestamp } from '../../../supervisor/amqp/fields.ts'
import { AmqpError } from '../../../supervisor/broker/errors.ts'
import { checkEquivalence } from '../../../supervisor/broker/queues/equivalence.ts'
import { headersBindingProblem } from '../../../supervisor/broker/routing/headers.ts'

const VALUES: readonly [value: FieldValue, shown: string][] = [
  [{ a: 1 }, '{a=1}'],
  [[{}, [1n, 'x']], '[{},[1,x]]'],
  [Buffer.from('raw'), 'raw'],
  [timestamp(5), '5'],
  [null, 'null'],
]

t.test('a difference is told, whatever the values are', async (t) => {
  for (const [value, shown] of VALUES) {
    const args = decodeTable(encodeTable({ 'x-expires': value }), 0).table
    const compare = () => checkEquivalence('classic', 'q', { flags: {}, args }, { flags: {}, args: {} })
    t.throws(compare, AmqpError)
    t.throws(compare, { message: new RegExp(`current is the value '${shown.replace(/[[\]{}]/g, '\\$&')}'`) })
  }
})

t.test('so is a mode of matching headers that is none', async (t) => {
  const args = decodeTable(encodeTable({ 'x-match': { a: [{ b: true }] } }), 0).table
  t.match(headersBindingProblem(args), /field type table \(value \{a=\[\{b=true\}\]\}\)/)
})
