// What amqplib makes of a message, and what it sends: the other side of the comparisons.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ConsumeMessage, Options } from 'amqplib'
import fc from 'fast-check'
import { amqplib } from '../../amqp/amqplib.ts'

const require = createRequire(import.meta.url)
const lib = join(dirname(require.resolve('amqplib')), 'lib')
const { makeBodyFrame } = require(join(lib, 'frame.js')) as { makeBodyFrame(channel: number, body: Buffer): Buffer }
const Args = require(join(lib, 'api_args.js')) as {
  publish(exchange: string, routingKey: string, options: Options.Publish): Record<string, unknown>
}

const BASIC_PUBLISH = (60 << 16) | 40
const BASIC_DELIVER = (60 << 16) | 60

/** All frames of a publication, as amqplib writes them. */
export function published(
  channel: number,
  exchange: string,
  routingKey: string,
  options: Options.Publish,
  body: Buffer,
) {
  const fields = Args.publish(exchange, routingKey, options)
  return Buffer.concat([
    amqplib.encodeMethod(BASIC_PUBLISH, channel, fields),
    amqplib.encodeProperties(amqplib.BasicProperties, channel, body.length, fields),
    ...(body.length > 0 ? [makeBodyFrame(channel, body)] : []),
  ])
}

/** A frame of any type, as it is. */
export function frame(type: number, channel: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(7)
  head.writeUInt8(type, 0)
  head.writeUInt16BE(channel, 1)
  head.writeUInt32BE(payload.length, 3)
  return Buffer.concat([head, payload, Buffer.from([0xce])])
}

/** The frames by which a broker delivers a message. */
export function delivered(channel: number, fields: object, properties: object, body: Buffer): Buffer {
  return Buffer.concat([
    amqplib.encodeMethod(BASIC_DELIVER, channel, fields),
    amqplib.encodeProperties(amqplib.BasicProperties, channel, body.length, properties),
    ...(body.length > 0 ? [makeBodyFrame(channel, body)] : []),
  ])
}

/** What amqplib reads of it. */
export function readByAmqplib(frames: Buffer, body: Buffer): Pick<ConsumeMessage, 'content'> & Record<string, unknown> {
  const methodSize = frames.readUInt32BE(3)
  const header = methodSize + 8
  return {
    fields: amqplib.decode(BASIC_DELIVER, frames.subarray(7 + 4, 7 + methodSize)),
    properties: amqplib.decode(60, frames.subarray(header + 7 + 12, header + 7 + frames.readUInt32BE(header + 3))),
    content: body,
  }
}

const ascii = fc.string({ unit: 'binary-ascii', maxLength: 60 })
const anyText = fc.oneof(
  { arbitrary: ascii, weight: 9 },
  { arbitrary: fc.string({ unit: 'binary', maxLength: 20 }), weight: 1 },
)
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const name = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 }).filter((text) => text !== '__proto__')
const common = fc.oneof(
  anyText,
  fc.integer(),
  fc.integer({ min: -200, max: 200 }),
  fc.integer({ min: -40_000, max: 40_000 }),
  fc.boolean(),
)
const rare = fc.oneof(fc.maxSafeInteger(), fc.constantFrom<unknown>(null, 1.5, -0, ['a', 1], { nested: 'table' }))
const value = fc.oneof({ arbitrary: common as fc.Arbitrary<unknown>, weight: 19 }, { arbitrary: rare, weight: 1 })

export const properties = fc.record({
  contentType: optional(anyText),
  contentEncoding: optional(ascii),
  headers: optional(fc.dictionary(name, value, { maxKeys: 6, noNullPrototype: true })),
  priority: optional(fc.nat(255)),
  correlationId: optional(anyText),
  replyTo: optional(ascii),
  expiration: optional(fc.nat().map(String)),
  messageId: optional(anyText),
  timestamp: optional(fc.maxSafeNat()),
  type: optional(anyText),
  appId: optional(ascii),
})

export const names = { ascii, anyText, body: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) }
