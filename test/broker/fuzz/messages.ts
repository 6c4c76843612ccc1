// Messages, and what queues, bindings and consumers are asked for.
import { array, type Field, longlong, longstr, octet, short, shortstr, table } from './bytes.ts'
import type { Dice } from './dice.ts'
import { fields, integer, largeTable, type Names, string, text, truth, value } from './values.ts'

/** The bits of the property flags, in the order of the properties (AMQP 0-9-1, 4.2.6.1). */
export const PROPERTY_KINDS =
  'contentType contentEncoding headers deliveryMode priority correlationId replyTo expiration messageId timestamp type userId appId clusterId'.split(
    ' ',
  )

export interface PropertiesOptions {
  /** Another would be refused. */
  readonly user: string
  /** Whether the channel can ask for replies by `amq.rabbitmq.reply-to`. */
  readonly canReply: boolean
}

/** The bytes of a message's properties: its flags, and those that are there. */
export function drawProperties(dice: Dice, names: Names, { user, canReply }: PropertiesOptions): Buffer {
  const drawn: Record<string, () => Buffer> = {
    contentType: () => shortstr(text(dice)),
    contentEncoding: () => shortstr(text(dice)),
    headers: () => table(drawHeaders(dice, names)),
    deliveryMode: () => octet(dice.chance(0.9) ? dice.between(1, 2) : dice.below(256)),
    priority: () => octet(dice.chance(0.9) ? dice.below(12) : dice.below(256)),
    correlationId: () => shortstr(text(dice)),
    replyTo: () => shortstr(canReply && dice.chance(0.5) ? 'amq.rabbitmq.reply-to' : text(dice)),
    expiration: () => shortstr(dice.chance(0.98) ? String(dice.of([0, 1, 5, 20, 50, 600_000])) : text(dice)),
    messageId: () => shortstr(text(dice)),
    timestamp: () => longlong(BigInt(dice.below(2 ** 40)) << BigInt(dice.below(24))),
    type: () => shortstr(text(dice)),
    userId: () => shortstr(dice.chance(0.95) ? user : text(dice)),
    appId: () => shortstr(text(dice)),
    clusterId: () => shortstr(text(dice)),
  }
  const density = dice.of([0, 0.1, 0.3, 0.9])
  const parts: Buffer[] = []
  let flags = 0
  for (const [index, kind] of PROPERTY_KINDS.entries()) {
    const likely =
      kind === 'deliveryMode' ? 0.6 : kind === 'headers' ? 0.4 : kind === 'expiration' ? density / 3 : density
    if (!dice.chance(likely)) continue
    flags |= 0x8000 >> index
    parts.push((drawn[kind] as () => Buffer)())
  }
  return Buffer.concat([short(flags), ...parts])
}

function drawHeaders(dice: Dice, names: Names): Field[] {
  if (dice.chance(0.01)) return largeTable(dice)
  const found = fields(dice, 4)
  const keys = () => array(Array.from({ length: dice.below(4) }, () => ({ tag: 'S', value: longstr(names.key()) })))
  if (dice.chance(0.1)) found.push({ name: Buffer.from('CC'), tag: 'A', value: keys() })
  if (dice.chance(0.05)) found.push({ name: Buffer.from('BCC'), tag: 'A', value: keys() })
  // What only the broker writes, as a client may have it from elsewhere.
  const own = [
    'x-death',
    'x-delivery-count',
    'x-acquired-count',
    'x-first-death-queue',
    'x-last-death-reason',
    'CC',
    'BCC',
  ]
  if (dice.chance(0.03)) found.push({ name: Buffer.from(dice.of(own)), ...value(dice) })
  return found
}

/** Mostly empty to a few kB, seldom up to 300 kB, often just beside the size of a frame. */
export function drawBody(dice: Dice): Buffer {
  const size = dice.weighted<() => number>([
    [15, () => 0],
    [50, () => dice.between(1, 100)],
    [25, () => dice.between(100, 5_000)],
    [3, () => dice.of([4_088, 131_064]) + dice.between(-2, 2)],
    [3, () => dice.between(5_000, 300_000)],
  ])()
  return dice.bytes(size)
}

/**
 * The arguments of a queue's declaration: most of them are right, and few at a time.
 * @param canDeadLetter few queues may: among n of them that lead to each other, one message has n! ways to die
 */
export function drawQueueArguments(dice: Dice, names: Names, canDeadLetter: boolean): Field[] {
  const isQuorum = dice.chance(0.4)
  const drawn: Field[] = isQuorum ? [string('x-queue-type', 'quorum')] : []
  if (!isQuorum && dice.chance(0.1)) drawn.push(string('x-queue-type', 'classic'))
  const choices: [number, () => Field[]][] = [
    [3, () => [integer('x-max-length', dice.of([0, 1, 2, 10, 100]))]],
    [1, () => [integer('x-max-length-bytes', dice.of([0, 100, 10_000]))]],
    [2, () => [string('x-overflow', dice.of(['drop-head', 'reject-publish']))]],
    [3, () => [integer('x-message-ttl', dice.of([0, 1, 10, 30, 600_000]))]],
    [canDeadLetter ? 5 : 0, () => deadLetter(dice, names)],
    [1, () => [truth('x-single-active-consumer', dice.chance(0.7))]],
    isQuorum
      ? [2, () => [integer('x-delivery-limit', dice.of([0, 1, 2, -1]))]]
      : [2, () => [integer('x-max-priority', dice.of([1, 3, 10]))]],
    isQuorum
      ? [
          canDeadLetter ? 2 : 0,
          () => [
            ...deadLetter(dice, names),
            string('x-overflow', 'reject-publish'),
            string('x-dead-letter-strategy', 'at-least-once'),
          ],
        ]
      : [1, () => [integer('x-expires', dice.of([5, 20, 600_000]))]],
    // Anything at all.
    [0.3, () => fields(dice, 2)],
    [0.3, () => [{ name: Buffer.from(dice.of(ARGUMENTS)), ...value(dice) }]],
  ]
  for (let count = dice.of([0, 0, 1, 1, 2, 3]); count > 0; count--) drawn.push(...dice.weighted(choices)())
  return drawn
}

const ARGUMENTS = [
  'x-queue-type',
  'x-max-length',
  'x-message-ttl',
  'x-expires',
  'x-dead-letter-exchange',
  'x-dead-letter-routing-key',
  'x-overflow',
  'x-queue-version',
  'x-stream-offset',
]

function deadLetter(dice: Dice, names: Names): Field[] {
  const exchange = dice.chance(0.4) ? Buffer.alloc(0) : names.exchange()
  const key = dice.chance(0.02) ? dice.bytes(dice.between(256, 2_000)) : names.key()
  return [
    string('x-dead-letter-exchange', exchange),
    ...(dice.chance(0.6) ? [string('x-dead-letter-routing-key', key)] : []),
  ]
}

/** The arguments of a binding, with headers to compare. */
export function drawBindingArguments(dice: Dice): Field[] {
  if (dice.chance(0.6)) return []
  if (dice.chance(0.05)) return [string('a', dice.bytes(dice.of([1_500, 30_000, 100_000])))]
  const mode = dice.of(['all', 'any', 'all-with-x', 'any-with-x'])
  return [...(dice.chance(0.7) ? [string('x-match', mode)] : []), ...fields(dice, 3)]
}

/** The arguments of an exchange's declaration. */
export function drawExchangeArguments(dice: Dice, names: Names): Field[] {
  return dice.chance(0.3) ? [string('alternate-exchange', names.exchange())] : dice.chance(0.1) ? fields(dice, 2) : []
}

/** The arguments of a consumer. */
export function drawConsumerArguments(dice: Dice): Field[] {
  return dice.chance(0.3) ? [integer('x-priority', dice.between(-3, 5))] : dice.chance(0.05) ? fields(dice, 2) : []
}
