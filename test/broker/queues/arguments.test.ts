// What RabbitMQ 4.3.6 answers to arguments of queues and consumers, measured.
import t from 'tap'
import { startBroker } from '../../../supervisor/broker/start.ts'
import type { Fields } from '../differential/amqplib-codec.ts'
import { openWire } from '../differential/wire.ts'

type Case = [args: Fields, expected: string]

const TAKEN = ''
const refusedBy = (type: string) => (argument: string) =>
  `PRECONDITION_FAILED - invalid arg '${argument}' for queue 'q' in vhost '/' of queue type rabbit_${type}_queue`
const byClassic = refusedBy('classic')
const byQuorum = refusedBy('quorum')
const wrong = (argument: string, problem: string) =>
  `PRECONDITION_FAILED - invalid arg '${argument}' for queue 'q' in vhost '/': ${problem}`

const CLASSIC: Case[] = [
  [{ 'x-queue-version': 2 }, TAKEN],
  [{ 'x-queue-version': 1 }, wrong('x-queue-version', `"unsupported queue version '1'"`)],
  [{ 'x-queue-version': 9 }, wrong('x-queue-version', `"unsupported queue version '9'"`)],
  [{ 'x-queue-version': '2' }, wrong('x-queue-version', '"expected integer, got longstr"')],
  [{ 'x-queue-mode': 'odd' }, TAKEN],
  [{ 'x-queue-type': '' }, TAKEN],
  [{ 'x-queue-leader-locator': 'balanced' }, TAKEN],
  [{ 'x-queue-leader-locator': 'odd' }, wrong('x-queue-leader-locator', 'invalid_queue_locator_arg')],
  [{ 'x-overflow': 'odd' }, wrong('x-overflow', 'invalid_overflow')],
  [{ 'x-consumer-timeout': 1000 }, byClassic('x-consumer-timeout')],
  [{ 'x-delayed-retry-type': 'all' }, byClassic('x-delayed-retry-type')],
  [{ 'x-max-in-memory-length': 1 }, byClassic('x-max-in-memory-length')],
  [{ 'x-max-age': '1D' }, byClassic('x-max-age')],
  // Where the type is given it is the order of the table that decides, otherwise that of the names.
  [{ 'x-stream-max-segment-size-bytes': 1, 'x-consumer-timeout': 2 }, byClassic('x-consumer-timeout')],
  [{ 'x-delivery-limit': 3, 'x-delayed-retry-type': 'all' }, byClassic('x-delayed-retry-type')],
  [{ 'x-queue-type': 'classic', 'x-delivery-limit': 3, 'x-consumer-timeout': 2 }, byClassic('x-delivery-limit')],
  [{ 'x-queue-type': 'classic', 'x-consumer-timeout': 2, 'x-delivery-limit': 3 }, byClassic('x-consumer-timeout')],
]

const QUORUM: Case[] = [
  [{ 'x-queue-version': 2 }, byQuorum('x-queue-version')],
  [{ 'x-consumer-timeout': 1000 }, TAKEN],
  [{ 'x-consumer-timeout': 'a' }, wrong('x-consumer-timeout', '"expected integer, got longstr"')],
  [{ 'x-consumer-disconnected-timeout': 1000 }, TAKEN],
  [{ 'x-delayed-retry-type': 5, 'x-delayed-retry-min': 'a' }, TAKEN],
  [{ 'x-max-in-memory-bytes': -5 }, wrong('x-max-in-memory-bytes', '{value_negative,-5}')],
  [{ 'x-queue-leader-locator': 5 }, wrong('x-queue-leader-locator', '{unacceptable_type,byte}')],
  [{ 'x-stream-filter-size-bytes': 5 }, byQuorum('x-stream-filter-size-bytes')],
]

const CONSUMERS: [type: string, ...Case][] = [
  ['classic', { 'x-stream-offset': 'first' }, byClassic('x-stream-offset')],
  ['classic', { 'x-stream-filter': 'a' }, byClassic('x-stream-filter')],
  ['classic', { 'x-consumer-timeout': 1000 }, byClassic('x-consumer-timeout')],
  ['classic', { 'x-priority': 'a' }, wrong('x-priority', '"expected integer, got longstr"')],
  ['classic', { 'x-priority': -3, 'x-cancel-on-ha-failover': true }, TAKEN],
  ['quorum', { 'x-stream-offset': 5 }, byQuorum('x-stream-offset')],
  ['quorum', { 'x-consumer-timeout': 1000 }, TAKEN],
  ['quorum', { 'x-consumer-timeout': -1 }, wrong('x-consumer-timeout', '{value_negative,-1}')],
]

t.test('arguments are taken or refused as by RabbitMQ 4.3', async (t) => {
  const broker = await startBroker()
  t.teardown(() => broker.close())
  const wire = await openWire(broker.url)
  t.teardown(wire.close)

  /** What the broker says against it, on a channel of its own. */
  async function refusal(args: Fields, type?: string): Promise<string> {
    await wire.request('ChannelOpen', 1)
    const declared = type === undefined ? args : { 'x-queue-type': type }
    let answer = await wire.request('QueueDeclare', 1, { queue: 'q', durable: true, arguments: declared })
    if (type !== undefined) answer = await wire.request('BasicConsume', 1, { queue: 'q', arguments: args })
    const isRefused = answer.name === 'ChannelClose'
    if (isRefused) await wire.request('ChannelOpen', 1)
    await wire.request('QueueDelete', 1, { queue: 'q' })
    await wire.request('ChannelClose', 1, { replyCode: 200, replyText: '', classId: 0, methodId: 0 })
    return isRefused ? String(answer.fields.replyText) : ''
  }

  for (const [args, expected] of CLASSIC) t.equal(await refusal(args), expected, `classic ${JSON.stringify(args)}`)
  for (const [args, expected] of QUORUM) {
    t.equal(await refusal({ 'x-queue-type': 'quorum', ...args }), expected, `quorum ${JSON.stringify(args)}`)
  }
  for (const [type, args, expected] of CONSUMERS) {
    t.equal(await refusal(args, type), expected, `consumer of ${type} ${JSON.stringify(args)}`)
  }
})
