// What RabbitMQ 4.0.5 answers to mistakes, measured, and what this broker must answer.
import { once } from 'node:events'
import { type Channel, type ChannelModel, connect } from 'amqplib'
import t, { type Test } from 'tap'
import { type Broker, startBroker } from '../../../supervisor/broker/start.ts'

interface Failure {
  /** Whether the connection ended, and not only the channel. */
  connection: boolean
  code: number
  message: string
}

const quorum = { durable: true, arguments: { 'x-queue-type': 'quorum' } }
const LOCKED =
  "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'locked' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration."

type Case = [what: string, expected: string, action: (channel: Channel) => Promise<unknown> | unknown]

const CHANNEL_ERRORS: Case[] = [
  ['a missing queue', "404 NOT_FOUND - no queue 'nope' in vhost '/'", (c) => c.checkQueue('nope')],
  ['get from a missing queue', "404 NOT_FOUND - no queue 'nope' in vhost '/'", (c) => c.get('nope')],
  ['purge of a missing queue', "404 NOT_FOUND - no queue 'nope' in vhost '/'", (c) => c.purgeQueue('nope')],
  ['no last queue', '404 NOT_FOUND - no previously declared queue', (c) => c.get('')],
  ['a missing exchange', "404 NOT_FOUND - no exchange 'nope' in vhost '/'", (c) => c.checkExchange('nope')],
  [
    'publish to a missing exchange',
    "404 NOT_FOUND - no exchange 'nope' in vhost '/'",
    (c) => c.publish('nope', '', Buffer.from('')),
  ],
  [
    'bind to a missing exchange',
    "404 NOT_FOUND - no exchange 'nope' in vhost '/'",
    (c) => c.bindQueue('classic', 'nope', ''),
  ],
  [
    'bind of a missing queue',
    "404 NOT_FOUND - no queue 'nope' in vhost '/'",
    (c) => c.bindQueue('nope', 'amq.topic', ''),
  ],
  [
    'a reserved queue name',
    "403 ACCESS_REFUSED - queue name 'amq.foo' contains reserved prefix 'amq.*'",
    (c) => c.assertQueue('amq.foo'),
  ],
  [
    'a reserved exchange name',
    "403 ACCESS_REFUSED - exchange name 'amq.foo' contains reserved prefix 'amq.*'",
    (c) => c.assertExchange('amq.foo', 'direct'),
  ],
  [
    'the default exchange, declared',
    '403 ACCESS_REFUSED - operation not permitted on the default exchange',
    (c) => c.assertExchange('', 'direct'),
  ],
  [
    'the default exchange, bound to',
    '403 ACCESS_REFUSED - operation not permitted on the default exchange',
    (c) => c.bindQueue('classic', '', ''),
  ],
  [
    'a system exchange, deleted',
    "403 ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
    (c) => c.deleteExchange('amq.direct'),
  ],
  [
    'publish to an internal exchange',
    "403 ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'",
    (c) => c.publish('inner', '', Buffer.from('')),
  ],
  ["another's exclusive queue", `405 ${LOCKED}`, (c) => c.checkQueue('locked')],
  ["consume from another's exclusive queue", `405 ${LOCKED}`, (c) => c.consume('locked', () => {})],
  [
    'durable or not',
    "406 PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'classic' in vhost '/': received 'false' but current is 'true'",
    (c) => c.assertQueue('classic', { durable: false }),
  ],
  [
    'another argument',
    "406 PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'classic' in vhost '/': received the value '1000' of type 'short' but current is none",
    (c) => c.assertQueue('classic', { arguments: { 'x-message-ttl': 1000 } }),
  ],
  [
    'another type',
    "406 PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'quorum' in vhost '/': received 'classic' but current is 'quorum'",
    (c) => c.assertQueue('quorum'),
  ],
  [
    'another type of exchange',
    "406 PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' in vhost '/': received 'fanout' but current is 'direct'",
    (c) => c.assertExchange('amq.direct', 'fanout'),
  ],
  [
    'an unknown type of exchange',
    "406 PRECONDITION_FAILED - unknown exchange type 'x-bogus'",
    (c) => c.assertExchange('bogus', 'x-bogus'),
  ],
  [
    'a quorum queue that is exclusive',
    "406 PRECONDITION_FAILED - invalid property 'exclusive-owner' for queue 'q' in vhost '/'",
    (c) => c.assertQueue('q', { ...quorum, exclusive: true }),
  ],
  [
    'a quorum queue that is not durable',
    "406 PRECONDITION_FAILED - invalid property 'non-durable' for queue 'q' in vhost '/'",
    (c) => c.assertQueue('q', { ...quorum, durable: false }),
  ],
  [
    'a quorum queue with priorities',
    "406 PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue",
    (c) => c.assertQueue('q', { arguments: { ...quorum.arguments, 'x-max-priority': 5 } }),
  ],
  [
    'a classic queue with a delivery limit',
    "406 PRECONDITION_FAILED - invalid arg 'x-delivery-limit' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
    (c) => c.assertQueue('q', { arguments: { 'x-delivery-limit': 5 } }),
  ],
  [
    'a negative TTL',
    "406 PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'q' in vhost '/': {value_negative,-1}",
    (c) => c.assertQueue('q', { arguments: { 'x-message-ttl': -1 } }),
  ],
  [
    'an unknown type of queue',
    `406 PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'q' in vhost '/': "unsupported queue type 'bogus'"`,
    (c) => c.assertQueue('q', { arguments: { 'x-queue-type': 'bogus' } }),
  ],
  [
    'a key without a dead letter exchange',
    "406 PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue 'q' in vhost '/': routing_key_but_no_dlx_defined",
    (c) => c.assertQueue('q', { arguments: { 'x-dead-letter-routing-key': 'k' } }),
  ],
  [
    'an unknown delivery tag',
    '406 PRECONDITION_FAILED - unknown delivery tag 7',
    (c) => c.ack({ fields: { deliveryTag: 7 } } as never),
  ],
  [
    'a bad expiration',
    "406 PRECONDITION_FAILED - invalid expiration 'soon': no_integer",
    (c) => c.sendToQueue('classic', Buffer.from(''), { expiration: 'soon' }),
  ],
  [
    'somebody else as the user',
    "406 PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'warren'",
    (c) => c.sendToQueue('classic', Buffer.from(''), { userId: 'other' }),
  ],
  [
    'replies without a consumer for them',
    '406 PRECONDITION_FAILED - fast reply consumer does not exist',
    (c) => c.sendToQueue('classic', Buffer.from(''), { replyTo: 'amq.rabbitmq.reply-to' }),
  ],
  [
    'replies with acknowledgements',
    '406 PRECONDITION_FAILED - reply consumer cannot acknowledge',
    (c) => c.consume('amq.rabbitmq.reply-to', () => {}),
  ],
  [
    'a queue that is not empty',
    "406 PRECONDITION_FAILED - queue 'full' in vhost '/' not empty",
    (c) => c.deleteQueue('full', { ifEmpty: true }),
  ],
  [
    'an exchange in use',
    "406 PRECONDITION_FAILED - exchange 'used' in vhost '/' in use",
    (c) => c.deleteExchange('used', { ifUnused: true }),
  ],
  [
    'an unknown x-match',
    `406 PRECONDITION_FAILED - Invalid x-match field value <<"most">>; expected all, any, all-with-x, or any-with-x`,
    (c) => c.bindQueue('classic', 'amq.headers', '', { 'x-match': 'most' }),
  ],
  [
    'a message that is too large',
    '406 PRECONDITION_FAILED - message size 16777217 is larger than configured max size 16777216',
    (c) => c.sendToQueue('classic', Buffer.alloc(16 * 1024 * 1024 + 1)),
  ],
]

const CONNECTION_ERRORS: Case[] = [
  [
    'global qos',
    '540 NOT_IMPLEMENTED - global qos is not supported: set the prefetch of each consumer',
    (c) => c.prefetch(1, true),
  ],
  [
    'if-empty on a quorum queue',
    "540 NOT_IMPLEMENTED - cannot delete queue 'quorum' in vhost '/'. queue.delete operations with if-empty flag set are not supported by quorum queues",
    (c) => c.deleteQueue('quorum', { ifEmpty: true }),
  ],
  [
    'a consumer tag twice',
    "530 NOT_ALLOWED - attempt to reuse consumer tag 'c'",
    async (c) => {
      await c.consume('classic', () => {}, { consumerTag: 'c' })
      await c.consume('classic', () => {}, { consumerTag: 'c' })
    },
  ],
]

t.test('mistakes on a channel end that channel', async (t) => {
  const { connection } = await prepared(t)
  for (const [what, expected, action] of CHANNEL_ERRORS) {
    const failure = await failureOf(connection, action)
    t.same(failure, told(expected, false), what)
  }
})

t.test('some end the connection', async (t) => {
  const { broker } = await prepared(t)
  for (const [what, expected, action] of CONNECTION_ERRORS) {
    const connection = await connect(broker.url)
    t.same(await failureOf(connection, action), told(expected, true), what)
  }
})

t.test('a login that is refused', async (t) => {
  const { broker } = await prepared(t)
  const url = new URL(broker.url)
  url.password = 'wrong'
  await t.rejects(
    connect(url.href),
    /403 \(ACCESS-REFUSED\) with message "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN/,
  )
  url.password = new URL(broker.url).password
  url.pathname = '/nope'
  // Which of the two amqplib tells depends on the step it is at.
  await t.rejects(connect(url.href), /Expected ConnectionOpenOk; got <ConnectionClose/)
})

async function prepared(t: Test): Promise<{ broker: Broker; connection: ChannelModel }> {
  const broker = await startBroker()
  t.teardown(() => broker.close())
  const other = await connect(broker.url)
  t.teardown(() => other.close())
  const channel = await other.createConfirmChannel()
  await channel.assertQueue('locked', { exclusive: true })
  await channel.assertQueue('classic', { durable: true })
  await channel.assertQueue('quorum', quorum)
  await channel.assertQueue('full')
  channel.sendToQueue('full', Buffer.from('x'))
  await channel.assertExchange('inner', 'fanout', { internal: true })
  await channel.assertExchange('used', 'fanout')
  await channel.bindQueue('full', 'used', '')
  await channel.waitForConfirms()
  const connection = await connect(broker.url)
  t.teardown(() => connection.close())
  return { broker, connection }
}

/** How a channel, or its connection, is ended by what an action does on it. */
async function failureOf(connection: ChannelModel, action: Case[2]): Promise<Failure> {
  const channel = await connection.createChannel()
  const failed = Promise.race([
    once(channel, 'error').then(([error]) => ({ connection: false, error })),
    once(connection, 'error').then(([error]) => ({ connection: true, error })),
  ])
  // A call that waits for an answer rejects as well.
  await Promise.resolve(action(channel)).catch(() => {})
  const { connection: ended, error } = await failed
  const [, message] = /with message "(.*)"/s.exec((error as Error).message) ?? []
  return { connection: ended, code: (error as { code: number }).code, message: message as string }
}

function told(expected: string, connection: boolean): Failure {
  return { connection, code: Number(expected.slice(0, 3)), message: expected.slice(4) }
}
