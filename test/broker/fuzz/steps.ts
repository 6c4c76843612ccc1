// What a client may do, method by method: each step is the frames that it sends.
import { bodyFrames, type Field, header, method } from './bytes.ts'
import {
  drawBindingArguments,
  drawBody,
  drawConsumerArguments,
  drawExchangeArguments,
  drawProperties,
  drawQueueArguments,
} from './messages.ts'
import type { Channel, Stage } from './player.ts'
import { string } from './values.ts'

export type Step = (stage: Stage, channel: Channel) => Buffer[]

/** Bytes of a body in one frame: what was agreed on, without what is around it. */
const ROOM = 131_064
/** Queues that may have a dead letter exchange: the first ones. */
const DEAD_LETTERING = 5

const declareQueue: Step = ({ dice, names }, { number }) => {
  const queue = names.queue()
  const canDeadLetter = names.queues.slice(0, DEAD_LETTERING).some((name) => name.equals(queue))
  const args = drawQueueArguments(dice, names, canDeadLetter)
  const flags = dice.chance(0.85)
    ? { durable: true }
    : drawFlags(dice, ['durable', 'exclusive', 'autoDelete', 'noWait'])
  return [method(number, 'queue.declare', { queue, ...flags, arguments: args })]
}

const declareExchange: Step = ({ dice, names }, { number }) => {
  const type = dice.of(['direct', 'fanout', 'topic', 'headers'])
  const flags = drawFlags(dice, ['durable', 'durable', 'autoDelete', 'internal', 'noWait'], 0.2)
  const args = drawExchangeArguments(dice, names)
  return [method(number, 'exchange.declare', { exchange: names.exchange(), type, ...flags, arguments: args })]
}

const bindQueue: Step = ({ dice, names }, { number }) => {
  const places = { queue: names.queue(), exchange: names.exchange(), routingKey: names.key() }
  const args = drawBindingArguments(dice)
  const name = dice.chance(0.8) ? 'queue.bind' : 'queue.unbind'
  return [method(number, name, { ...places, noWait: dice.chance(0.1), arguments: args })]
}

const bindExchange: Step = ({ dice, names }, { number }) => {
  const places = { source: names.exchange(), destination: names.exchange(), routingKey: names.key() }
  const name = dice.chance(0.7) ? 'exchange.bind' : 'exchange.unbind'
  return [method(number, name, { ...places, noWait: dice.chance(0.1), arguments: drawBindingArguments(dice) })]
}

const remove: Step = ({ dice, names }, { number }) => {
  const conditions = drawFlags(dice, ['ifUnused', 'ifEmpty', 'noWait'], 0.2)
  if (dice.chance(0.5)) return [method(number, 'queue.delete', { queue: names.queue(), ...conditions })]
  if (dice.chance(0.5)) return [method(number, 'queue.purge', { queue: names.queue() })]
  return [method(number, 'exchange.delete', { exchange: names.exchange(), ...conditions })]
}

const lookAt: Step = ({ dice, names }, { number }) => {
  if (dice.chance(0.5)) return [method(number, 'queue.declare', { queue: names.queue(), passive: true })]
  return [method(number, 'exchange.declare', { exchange: names.exchange(), type: 'direct', passive: true })]
}

export const publish: Step = (stage, { number, hasReplies }) => {
  const { dice, names, user, addresses } = stage
  const isReply = addresses.length > 0 && dice.chance(0.1)
  const isDirect = isReply || dice.chance(0.5)
  const exchange = isDirect ? Buffer.alloc(0) : names.exchange()
  const routingKey = isReply ? dice.of(addresses) : isDirect ? names.queue() : names.key()
  const properties = drawProperties(dice, names, { user, canReply: hasReplies })
  const body = drawBody(dice)
  return [
    method(number, 'basic.publish', { exchange, routingKey, mandatory: dice.chance(0.2) }),
    header(number, body.length, properties),
    ...bodyFrames(number, body, dice.chance(0.9) ? ROOM : dice.between(500, ROOM)),
  ]
}

const consume: Step = (stage, channel) => {
  const { dice, names } = stage
  if (dice.chance(0.1)) {
    channel.hasReplies = true
    return [method(channel.number, 'basic.consume', { queue: 'amq.rabbitmq.reply-to', noAck: true })]
  }
  const flags = drawFlags(dice, ['noAck', 'exclusive', 'noWait'], 0.15)
  const args: Field[] = drawConsumerArguments(dice)
  const consumerTag = names.tag()
  return [method(channel.number, 'basic.consume', { queue: names.queue(), consumerTag, ...flags, arguments: args })]
}

const cancel: Step = ({ dice, names }, { number }) => {
  return [method(number, 'basic.cancel', { consumerTag: names.tag(), noWait: dice.chance(0.2) })]
}

const get: Step = ({ dice, names }, { number }) => {
  return [method(number, 'basic.get', { queue: names.queue(), noAck: dice.chance(0.3) })]
}

const settle: Step = ({ dice }, channel) => {
  const { unacked, number } = channel
  if (unacked.length === 0) return []
  const at = dice.below(unacked.length)
  const multiple = dice.chance(0.3)
  const deliveryTag = unacked[at] as bigint
  const taken = multiple ? unacked.splice(0, at + 1) : unacked.splice(at, 1)
  if (taken.length === 0) return []
  if (dice.chance(0.5)) return [method(number, 'basic.ack', { deliveryTag, multiple })]
  const requeue = dice.chance(0.5)
  if (multiple || dice.chance(0.5)) return [method(number, 'basic.nack', { deliveryTag, multiple, requeue })]
  return [method(number, 'basic.reject', { deliveryTag, requeue })]
}

const recover: Step = ({ dice }, channel) => {
  channel.unacked = []
  return [method(channel.number, dice.chance(0.7) ? 'basic.recover' : 'basic.recover-async', { requeue: true })]
}

const qos: Step = ({ dice }, { number }) => {
  return [method(number, 'basic.qos', { prefetchCount: dice.of([0, 1, 3, 20, 65_535]) })]
}

const select: Step = (_, { number }) => [method(number, 'confirm.select')]

const transact: Step = ({ dice }, { number }) => {
  return [method(number, dice.of(['tx.select', 'tx.commit', 'tx.commit', 'tx.rollback'] as const))]
}

const flow: Step = (_, { number }) => [method(number, 'channel.flow', { active: true })]

const closeChannel: Step = (_, channel) => {
  channel.isOpen = false
  channel.hasReplies = false
  channel.unacked = []
  return [method(channel.number, 'channel.close', { replyCode: 200, replyText: 'bye' })]
}

/** Messages that all die at one moment, and go elsewhere. */
const burst: Step = (stage, channel) => {
  const { names, dice } = stage
  const [queue, target] = [names.queues[0] as Buffer, names.queues[1] as Buffer]
  const args = [string('x-dead-letter-exchange', ''), string('x-dead-letter-routing-key', target)]
  const ttl = { name: Buffer.from('x-message-ttl'), tag: 'I', value: Buffer.from([0, 0, 0, dice.between(1, 30)]) }
  const declared = method(channel.number, 'queue.declare', { queue, durable: true, arguments: [...args, ttl] })
  return [
    method(channel.number, 'queue.delete', { queue }),
    declared,
    ...Array.from({ length: dice.between(5, 50) }, () => publish(stage, channel)).flat(),
  ]
}

export const STEPS: readonly (readonly [weight: number, step: Step])[] = [
  [12, declareQueue],
  [4, declareExchange],
  [9, bindQueue],
  [2, bindExchange],
  [3, remove],
  [2, lookAt],
  [50, publish],
  [7, consume],
  [2, cancel],
  [8, get],
  [22, settle],
  [1, recover],
  [2, qos],
  [2, select],
  [1, transact],
  [0.5, flow],
  [0.5, closeChannel],
  [0.3, burst],
]

function drawFlags(dice: Stage['dice'], names: readonly string[], chance = 0.4): Record<string, boolean> {
  return Object.fromEntries(names.map((name) => [name, dice.chance(chance)]))
}
