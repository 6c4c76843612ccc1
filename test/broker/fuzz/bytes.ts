// AMQP 0-9-1 from bytes alone: names and values that no client library lets through. Nothing here is the broker's own
// codec, which would hide the broker's mistakes.
import { SPEC } from '../../../supervisor/amqp/spec.ts'

export type MethodName = keyof typeof SPEC

/** A field of a table: its name, the letter of its type, and its value as it is on the wire. */
export interface Field {
  readonly name: Buffer
  readonly tag: string
  readonly value: Buffer
}

const FRAME_END = Buffer.from([0xce])
export const NOTHING: Buffer = Buffer.alloc(0)
export const GREETING: Buffer = Buffer.from('AMQP\x00\x00\x09\x01', 'latin1')

/** A whole frame of any type. */
export function frame(type: number, channel: number, payload: Buffer): Buffer {
  const start = Buffer.alloc(7)
  start.writeUInt8(type, 0)
  start.writeUInt16BE(channel, 1)
  start.writeUInt32BE(payload.length, 3)
  return Buffer.concat([start, payload, FRAME_END])
}

export function octet(value: number): Buffer {
  return Buffer.from([value & 0xff])
}

export function short(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value & 0xffff)
  return bytes
}

export function long(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

export function longlong(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value))
  return bytes
}

/** Cut after 255 bytes. */
export function shortstr(value: Buffer | string): Buffer {
  const bytes = Buffer.from(value as Buffer).subarray(0, 255)
  return Buffer.concat([octet(bytes.length), bytes])
}

export function longstr(value: Buffer | string): Buffer {
  const bytes = Buffer.from(value as Buffer)
  return Buffer.concat([long(bytes.length), bytes])
}

/** A table with its length in front. */
export function table(fields: readonly Field[]): Buffer {
  return longstr(Buffer.concat(fields.map(encodeField)))
}

export function encodeField({ name, tag, value }: Field): Buffer {
  return Buffer.concat([shortstr(name), Buffer.from(tag, 'latin1'), value])
}

/** An array's value: elements of a tag and a value each. */
export function array(elements: readonly Omit<Field, 'name'>[]): Buffer {
  return longstr(Buffer.concat(elements.flatMap(({ tag, value }) => [Buffer.from(tag, 'latin1'), value])))
}

/** What an argument of a method may be given as. */
export type Argument = Buffer | string | number | bigint | boolean | readonly Field[] | undefined

/** The frame of a method; arguments that are left out are empty, 0 or false. */
export function method(channel: number, name: MethodName, values: Readonly<Record<string, Argument>> = {}): Buffer {
  const [classId, methodId, args] = SPEC[name]
  const parts = [short(classId), short(methodId)]
  let bits = 0
  let count = 0
  const flushBits = () => {
    if (count > 0) parts.push(octet(bits))
    bits = 0
    count = 0
  }
  for (const [argument, domain] of args) {
    const value = argument === '' ? undefined : values[argument]
    if (domain === 'bit') {
      if (count === 8) flushBits()
      if (value === true) bits |= 1 << count
      count++
      continue
    }
    flushBits()
    parts.push(encodeArgument(domain, value))
  }
  flushBits()
  return frame(1, channel, Buffer.concat(parts))
}

function encodeArgument(domain: string, value: Argument): Buffer {
  switch (domain) {
    case 'octet':
      return octet(Number(value ?? 0))
    case 'short':
      return short(Number(value ?? 0))
    case 'long':
      return long(Number(value ?? 0))
    case 'longlong':
      return longlong(BigInt((value as number | undefined) ?? 0))
    case 'longstr':
      return longstr((value as Buffer | undefined) ?? NOTHING)
    case 'table':
      return table((value as readonly Field[] | undefined) ?? [])
    default:
      return shortstr((value as Buffer | undefined) ?? NOTHING)
  }
}

/** The frame of a content header of class basic, or of another. */
export function header(channel: number, size: number, properties: Buffer, classId = 60): Buffer {
  return frame(2, channel, Buffer.concat([short(classId), short(0), longlong(BigInt(size)), properties]))
}

/** The frames of a body, each with at most so many bytes. */
export function bodyFrames(channel: number, body: Buffer, room: number): Buffer[] {
  const frames: Buffer[] = []
  for (let start = 0; start < body.length; start += room) {
    frames.push(frame(3, channel, body.subarray(start, start + room)))
  }
  return frames
}
