import fc from 'fast-check'
import { comparable } from './avoided.ts'
import { type Args, type ChannelIndex, type Program, SOON, type Step } from './step.ts'
import { WILD } from './wild-bytes.ts'

const TAGS = ['t0', 't1', 't2']
const KEYS = ['q0', 'q0', 'q0', 'q1', 'q1', 'a', 'a', 'a.b', 'b', 'q2', '', 'a.é']
const BINDING_KEYS = ['a', 'a', 'a.b', 'b', '#', '#', '*', 'a.*', 'a.#', '#.b', '', 'a.é']
const TYPES = ['direct', 'fanout', 'topic', 'headers']

const NEVER = 600_000

const on: fc.Arbitrary<ChannelIndex> = fc.constantFrom(0, 0, 1, 2)
const one = <const T extends readonly unknown[]>(...values: T): fc.Arbitrary<T[number]> => fc.constantFrom(...values)
// Mostly what the program's beginning made, seldom what is missing.
const queue = one('q0', 'q0', 'q0', 'q0', 'q1', 'q1', 'q1', 'q2')
const exchange = one('e0', 'e0', 'e0', 'e0', 'e0', 'e1', 'e1', 'e1', 'e2')
const rarely = fc.integer({ min: 0, max: 9 }).map((n) => n === 9)
const often = fc.integer({ min: 0, max: 9 }).map((n) => n > 2)

/** The arguments that are there in half of the cases, the others left out. */
function some(model: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Args> {
  const optional = Object.entries(model).map(([name, value]) => [name, fc.option(value, { nil: undefined, freq: 2 })])
  return fc
    .record(Object.fromEntries(optional) as Record<string, fc.Arbitrary<unknown>>)
    .map((args) => Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined)))
}

// One argument of many at a time is rather frequent, three are rare.
function few(model: Record<string, fc.Arbitrary<unknown>>, max = 2): fc.Arbitrary<Args> {
  const each = Object.entries(model).map(([name, value]) => value.map((v) => [name, v] as const))
  return fc.array(fc.oneof(...each), { maxLength: max }).map((entries) => Object.fromEntries(entries))
}

const deadLetter = fc
  .record({ exchange: one('', '', '', 'e0', 'e1', 'missing'), key: one('q0', 'q1', 'q1', 'q1', 'q2', 'a', undefined) })
  .map(({ exchange, key }) => ({
    'x-dead-letter-exchange': exchange,
    ...(key === undefined ? {} : { 'x-dead-letter-routing-key': key }),
  }))

const length = {
  'x-max-length': one(0, 1, 2, 2, 3),
  'x-overflow': one('drop-head', 'reject-publish'),
  'x-message-ttl': one(0, 1, SOON, NEVER, NEVER),
  'x-single-active-consumer': one(true, false),
}

const withDeadLetter = (args: fc.Arbitrary<Args>): fc.Arbitrary<Args> =>
  fc.tuple(args, fc.option(deadLetter, { nil: {}, freq: 3 })).map(([own, dead]) => ({ ...own, ...dead }))

const quorumArgs = withDeadLetter(
  few({
    ...length,
    'x-delivery-limit': one(0, 1, 2, -1),
    'x-dead-letter-strategy': one('at-most-once', 'at-least-once'),
  }),
).map((args) => ({ 'x-queue-type': 'quorum', ...args }))

const classicArgs = withDeadLetter(
  few({
    ...length,
    'x-max-length-bytes': one(3, 5),
    'x-max-priority': one(1, 3, 10),
    'x-expires': one(SOON, NEVER),
    'x-queue-type': one('classic'),
  }),
)

// What no queue takes, or only one type does.
const oddArgs = few(
  {
    'x-queue-type': one('quorum', 'classic', 'odd', 5),
    'x-message-ttl': one(-1, 'a', 1.5, 3_153_600_000_001),
    'x-expires': one(0, -1, 'a'),
    'x-max-length': one(-1, 'a'),
    'x-max-length-bytes': one(-1),
    'x-max-priority': one(-1, 256, 'a', 0),
    'x-overflow': one('odd', 5, 'reject-publish-dlx'),
    'x-delivery-limit': one(3),
    'x-dead-letter-exchange': one(5, 'e0'),
    'x-dead-letter-routing-key': one(5, 'a'),
    'x-dead-letter-strategy': one('odd', 'at-least-once'),
    'x-single-active-consumer': one('yes'),
    'x-queue-mode': one('lazy', 'odd'),
    'x-queue-version': one(1, 2, 9),
    'x-consumer-timeout': one(1_000_000, 'a'),
    'x-delayed-retry-type': one('all'),
    'x-max-age': one('1D'),
    'x-queue-leader-locator': one('balanced', 'odd'),
    'x-unknown': one(1),
  },
  3,
)

const flags = (
  durable: fc.Arbitrary<boolean>,
  exclusive: fc.Arbitrary<boolean>,
  autoDelete: fc.Arbitrary<boolean>,
) => ({
  durable,
  exclusive,
  autoDelete,
})
const yes = fc.constant(true)
const no = fc.constant(false)

function declaration(queue: fc.Arbitrary<string>, odd: number): fc.Arbitrary<Step> {
  const step = (own: object, args: fc.Arbitrary<Args>) =>
    fc.record({
      op: fc.constant('queue' as const),
      on,
      queue,
      args,
      ...flags(yes, no, no),
      ...own,
    }) as fc.Arbitrary<Step>
  return fc.oneof(
    { weight: 5, arbitrary: step({}, quorumArgs) },
    { weight: 5, arbitrary: step({}, classicArgs) },
    { weight: 1, arbitrary: step({ durable: fc.boolean(), exclusive: yes }, classicArgs) },
    { weight: 1, arbitrary: step({ durable: fc.boolean(), autoDelete: yes }, classicArgs) },
    { weight: odd, arbitrary: step(flags(often, rarely, rarely), oddArgs) },
  )
}

function exchangeDeclaration(exchange: fc.Arbitrary<string>): fc.Arbitrary<Step> {
  return fc.record({
    op: fc.constant('exchange' as const),
    on,
    exchange,
    type: fc.oneof({ weight: 20, arbitrary: one(...TYPES) }, { weight: 1, arbitrary: one('odd') }),
    durable: often,
    autoDelete: rarely,
    internal: rarely,
    args: few({ 'alternate-exchange': one('e0', 'e1', 'e2', 'missing') }, 1),
  })
}

const headers = some({
  h: one(1, 2, 'x', `x${WILD}`),
  i: one(1, 'x'),
  [`n${WILD}`]: one(1),
  'x-h': one(1),
  CC: one(['q1'], ['a', 'q2']),
  BCC: one(['q0']),
})

const publish = fc.record({
  op: fc.constant('publish' as const),
  on,
  exchange: fc.oneof(
    { weight: 12, arbitrary: fc.constant('') },
    { weight: 12, arbitrary: exchange },
    { weight: 1, arbitrary: fc.constant('missing') },
  ),
  key: one(...KEYS),
  mandatory: fc.boolean(),
  properties: some({
    deliveryMode: one(1, 2, 2),
    priority: one(0, 1, 2, 4, 9, 40),
    expiration: fc.oneof(
      { weight: 20, arbitrary: one('0', '1', String(SOON), String(NEVER), String(NEVER)) },
      { weight: 1, arbitrary: one('odd', '-1') },
    ),
    headers,
    messageId: one('id', `${WILD}é`, 'm'.repeat(255)),
    correlationId: one(WILD, '\u0000'),
    timestamp: one(1_700_000_000),
  }),
  // Mostly small, some of several frames.
  size: fc.oneof({ weight: 12, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: one(0, 140_000, 300_000) }),
})

const bindingArgs = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  some({ 'x-match': one('all', 'any', 'all-with-x', 'any-with-x', 'odd'), h: one(1, 2), i: one(1), 'x-h': one(1) }),
)
const is = <T extends string>(op: T) => fc.constant(op)

const binding = fc.record({ op: is('bind'), on, queue, exchange, key: one(...BINDING_KEYS), args: bindingArgs })

const consume = fc.record({
  op: is('consume'),
  on,
  queue,
  tag: one(...TAGS),
  noAck: rarely,
  exclusive: rarely,
  args: few({ 'x-priority': one(1, -1, 10), 'x-stream-offset': one('first'), 'x-consumer-timeout': one(1_000_000) }, 1),
})

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 24, arbitrary: publish },
  { weight: 6, arbitrary: fc.record({ op: is('get'), on, queue, noAck: rarely }) },
  { weight: 5, arbitrary: consume },
  {
    weight: 12,
    arbitrary: fc.record({
      op: is('settle'),
      on,
      how: one('ack', 'nack', 'nack', 'reject', 'reject'),
      pick: fc.nat(9),
      multiple: fc.boolean(),
      requeue: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: is('cancel'), on, tag: one(...TAGS) }) },
  { weight: 2, arbitrary: fc.record({ op: is('qos'), on, count: one(0, 1, 2) }) },
  { weight: 2, arbitrary: fc.record({ op: one('recover' as const, 'confirm', 'closeChannel', 'badAck'), on }) },
  { weight: 1, arbitrary: fc.record({ op: is('cut'), on: fc.constant(2 as const) }) },
  { weight: 1, arbitrary: fc.record({ op: is('expire'), on }) },
  { weight: 2, arbitrary: binding },
  { weight: 1, arbitrary: binding.map((step) => ({ ...step, op: 'unbind' as const })) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: one('bindExchange' as const, 'bindExchange', 'unbindExchange'),
      on,
      source: exchange,
      destination: exchange,
      key: one(...BINDING_KEYS),
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: one('purge' as const, 'check', 'check', 'check'), on, queue }) },
  { weight: 1, arbitrary: fc.record({ op: is('deleteQueue'), on, queue, ifUnused: rarely, ifEmpty: rarely }) },
  { weight: 1, arbitrary: fc.record({ op: is('deleteExchange'), on, exchange, ifUnused: fc.boolean() }) },
  { weight: 2, arbitrary: declaration(queue, 10) },
  { weight: 1, arbitrary: exchangeDeclaration(exchange) },
)

/** Programs that start with queues, exchanges and bindings, so that what follows seldom meets nothing. */
export const programs: fc.Arbitrary<Program> = fc
  .tuple(
    fc.tuple(declaration(fc.constant('q0'), 1), declaration(fc.constant('q1'), 1)),
    fc.tuple(exchangeDeclaration(fc.constant('e0')), exchangeDeclaration(fc.constant('e1'))),
    fc.array(binding, { maxLength: 3, size: 'max' }),
    fc.array(consume, { maxLength: 2 }),
    fc.array(anyStep, { minLength: 1, maxLength: 24, size: 'max' }),
  )
  .map(([queues, exchanges, bindings, consumers, steps]) => [
    ...queues,
    ...exchanges,
    ...bindings,
    ...consumers,
    ...steps,
  ])
  .map(comparable)
