// What a client may not do: each costs its channel or its connection, and nobody else anything.
import { SPEC } from '../../../supervisor/amqp/spec.ts'
import {
  type Argument,
  bodyFrames,
  frame,
  header,
  long,
  type MethodName,
  method,
  NOTHING,
  short,
  table,
} from './bytes.ts'
import { drawProperties } from './messages.ts'
import { publish, STEPS, type Step } from './steps.ts'
import { fields, text, value } from './values.ts'

const METHODS = Object.keys(SPEC) as MethodName[]

/** Any method there is, also those that only a broker sends, with any arguments. */
const anyMethod: Step = ({ dice }, { number }) => {
  const name = dice.of(METHODS)
  const values: Record<string, Argument> = {}
  for (const [argument, domain] of SPEC[name][2]) {
    if (argument === '') continue
    values[argument] =
      domain === 'bit'
        ? dice.chance(0.5)
        : domain === 'table'
          ? fields(dice, 3)
          : domain.endsWith('str') || domain === 'replytext'
            ? text(dice)
            : dice.below(domain === 'octet' ? 256 : 65_536)
  }
  return [method(dice.chance(0.8) ? number : dice.of([0, 50, 65_535]), name, values)]
}

const unknownMethod: Step = ({ dice }, { number }) => {
  return [frame(1, number, Buffer.concat([short(dice.below(120)), short(dice.below(150)), dice.bytes(dice.below(20))]))]
}

/** A frame that was right, with some of its bytes changed, its length kept or not. */
const mutated: Step = (stage, channel) => {
  const { dice } = stage
  const bytes = Buffer.concat(dice.weighted(STEPS)(stage, channel))
  if (bytes.length < 9) return []
  for (let times = dice.between(1, 3); times > 0; times--) {
    const at = dice.chance(0.5) ? 7 + dice.below(Math.min(bytes.length - 8, 60)) : dice.below(bytes.length)
    bytes[at] = dice.below(256)
  }
  return [dice.chance(0.9) ? bytes : bytes.subarray(0, dice.below(bytes.length))]
}

const wrongSize: Step = (stage, { number }) => {
  const { dice, names } = stage
  const properties = drawProperties(dice, names, { user: stage.user, canReply: false })
  const size = dice.of([0, 5, 2 ** 24, 2 ** 24 + 1, 2 ** 40])
  return [
    method(number, 'basic.publish', { routingKey: names.queue() }),
    header(number, size, properties, dice.chance(0.8) ? 60 : dice.below(100)),
    ...bodyFrames(number, dice.bytes(dice.between(0, 100)), 50),
  ]
}

const interrupted: Step = (stage, channel) => {
  const [first = NOTHING, second = NOTHING, ...others] = publish(stage, channel)
  const [inserted] = anyMethod(stage, channel)
  const between = inserted ? [inserted] : []
  return stage.dice.chance(0.5) ? [first, ...between, second, ...others] : [first, second, ...between, ...others]
}

const strayContent: Step = ({ dice }, { number }) => {
  return [dice.chance(0.5) ? header(number, 5, short(0)) : frame(3, number, dice.bytes(dice.below(50)))]
}

const wrongTag: Step = ({ dice }, { number }) => {
  const name = dice.of(['basic.ack', 'basic.nack', 'basic.reject'] as const)
  const deliveryTag = dice.of([0n, 1n, 1_000_000n, 2n ** 53n + 1n, 2n ** 64n - 1n])
  return [method(number, name, { deliveryTag, multiple: dice.chance(0.5), requeue: dice.chance(0.5) })]
}

const strangeArguments: Step = ({ dice, names }, { number }) => {
  const drawn = { name: Buffer.from(dice.of(ARGUMENTS)), ...value(dice) }
  const name = dice.of(['queue.declare', 'exchange.declare', 'queue.bind', 'exchange.bind', 'basic.consume'] as const)
  const places = { queue: names.queue(), exchange: names.exchange(), source: names.exchange() }
  return [method(number, name, { ...places, destination: names.exchange(), type: text(dice), arguments: [drawn] })]
}

const ARGUMENTS = ['x-match', 'x-priority', 'alternate-exchange', 'x-max-priority', 'x-expires', 'x-queue-type', '']

/** Tables within tables, deeper than anybody looks. */
const deep: Step = ({ dice, names }, { number }) => {
  let inner = table([])
  for (let depth = dice.of([60, 70, 1_000, 5_000]); depth > 0; depth--) {
    inner = Buffer.concat([long(inner.length + 3), Buffer.from([1, 0x61, 0x46]), inner])
  }
  const properties = Buffer.concat([short(1 << 13), inner])
  return [method(number, 'basic.publish', { routingKey: names.queue() }), header(number, 0, properties)]
}

export const MISDEEDS: readonly (readonly [weight: number, step: Step])[] = [
  [10, anyMethod],
  [2, unknownMethod],
  [12, mutated],
  [4, wrongSize],
  [3, interrupted],
  [2, strayContent],
  [4, wrongTag],
  [4, strangeArguments],
  [0.5, deep],
]
