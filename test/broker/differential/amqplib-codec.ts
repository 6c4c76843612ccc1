import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** A method's or a content header's fields by their names in amqplib. */
export type Fields = Record<string, unknown>

interface Defs {
  encodeMethod(id: number, channel: number, fields: Fields): Buffer
  encodeProperties(id: number, channel: number, size: number, fields: Fields): Buffer
  decode(id: number, payload: Buffer): Fields
  info(id: number): { args: { name: string; default?: unknown }[] }
  [name: string]: unknown
}

// amqplib's `exports` hide its codec. It is used all the same, because the broker's own would hide the broker's mistakes.
const require = createRequire(import.meta.url)
const defs = require(join(dirname(require.resolve('amqplib')), 'lib', 'defs.js')) as Defs

const ids = new Map<string, number>()
const names = new Map<number, string>()
for (const [name, id] of Object.entries(defs)) {
  if (typeof id !== 'number' || !/^[A-Z][a-z]/.test(name)) continue
  ids.set(name, id)
  names.set(id, name)
}

const BASIC_PROPERTIES = 60

/** The frame of a method, named as 'BasicPublish'. Absent fields have amqplib's default, or are empty, 0 or false. */
export function encodeMethod(name: string, channel: number, fields: Fields): Buffer {
  const id = ids.get(name)
  if (id === undefined) throw new Error(`amqplib knows no method ${name}`)
  return defs.encodeMethod(id, channel, { ...EMPTY, ...fields })
}

// What amqplib insists on having where the specification has no default.
const EMPTY: Fields = {
  queue: '',
  exchange: '',
  routingKey: '',
  consumerTag: '',
  source: '',
  destination: '',
  nowait: false,
}

/** The frames of a message's content: its header, and its body in pieces that the peer takes. */
export function encodeContent(channel: number, properties: Fields, body: Buffer, frameMax: number): Buffer {
  const frames = [defs.encodeProperties(BASIC_PROPERTIES, channel, body.length, properties)]
  for (let start = 0; start < body.length; start += frameMax - 8) {
    frames.push(frame(3, channel, body.subarray(start, start + frameMax - 8)))
  }
  return Buffer.concat(frames)
}

/** A frame of any type, as it is. */
export function frame(type: number, channel: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(payload.length + 8)
  bytes.writeUInt8(type, 0)
  bytes.writeUInt16BE(channel, 1)
  bytes.writeUInt32BE(payload.length, 3)
  payload.copy(bytes, 7)
  bytes.writeUInt8(0xce, bytes.length - 1)
  return bytes
}

/** A method frame's name and fields. */
export function decodeMethod(payload: Buffer): { name: string; fields: Fields } {
  const id = payload.readUInt32BE(0)
  return { name: names.get(id) ?? `method ${id}`, fields: defs.decode(id, payload.subarray(4)) }
}

/** A content header's body size and properties, absent ones left out. */
export function decodeHeader(payload: Buffer): { size: number; properties: Fields } {
  const decoded = defs.decode(payload.readUInt16BE(0), payload.subarray(12))
  const properties = Object.fromEntries(Object.entries(decoded).filter(([, value]) => value !== undefined))
  return { size: Number(payload.readBigUInt64BE(4)), properties }
}
