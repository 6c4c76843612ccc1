import t from 'tap'
import { createRefusals } from '../../supervisor/messaging/refusals.ts'

const OLD = { product: 'RabbitMQ', version: '3.10.8' }

t.test('another connection is tried after a while of nothing but refusals', async (t) => {
  let now = 0
  const refusals = createRefusals(() => now)
  const refusedAt = (at: number, address = 'a', server: object = OLD) => {
    now = at
    return refusals.refused(address, server)
  }
  t.notOk(refusedAt(0))
  t.notOk(refusedAt(1_999))
  t.notOk(refusedAt(2_000, 'b'), 'each address for itself')
  t.ok(refusedAt(2_000))
  t.notOk(refusedAt(2_001), 'once')
  t.notOk(refusedAt(9_999), 'and with ever more patience')
  t.ok(refusedAt(10_000))
  t.notOk(refusedAt(41_999))
  t.ok(refusedAt(42_000))

  refusals.taken('a')
  t.notOk(refusedAt(1_000_000), 'one that is taken in between makes it a new beginning')
  t.ok(refusedAt(1_002_000))
})

t.test('brokers that do not need it are left alone', async (t) => {
  for (const server of [{ product: 'RabbitMQ', version: '3.13.0' }, { product: 'RabbitMQ', version: '4.0.5' }, {}]) {
    let now = 0
    const refusals = createRefusals(() => now)
    refusals.refused('a', server)
    now = 1e9
    t.notOk(refusals.refused('a', server))
  }
})
