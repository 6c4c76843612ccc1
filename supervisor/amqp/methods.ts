import { type Decoded, type Encodable, READ, READ_BYTES, WRITE } from './domains.ts'
import { COMMAND_INVALID, CodecError, FRAME_ERROR } from './errors.ts'
import { longAt, type Reader, readerOf, readOctet } from './reader.ts'
import { type Domain, SPEC } from './spec.ts'
import { encoded, reserve, setLong, type Writer, writeLong, writeOctet, writeShort } from './writer.ts'

export { CodecError } from './errors.ts'

type Spec = typeof SPEC
type Fields<N extends MethodName, Values> = {
  [A in Spec[N][2][number] as A[0] extends '' ? never : A[0]]: A[1] extends keyof Values ? Values[A[1]] : never
}

/** The name of a method: class, dot, and the method as the specification spells it. */
export type MethodName = keyof Spec

/** A method that was read, or one of `Name`. All its arguments are there, reserved ones excepted. */
export type Method<Name extends MethodName = MethodName> = { [N in Name]: { name: N } & Fields<N, Decoded> }[Name]

/** A method to send: arguments that are left out are false, 0, '' or {}; long strings may be strings. */
export type OutgoingMethod<Name extends MethodName = MethodName> = {
  [N in Name]: { name: N } & Partial<Fields<N, Encodable>>
}[Name]

interface Argument {
  /** Empty for a reserved argument. */
  readonly name: string
  readonly domain: Domain
  /** For a bit: its value within its octet. The first of an octet is 1. */
  readonly mask: number
  /** For a bit: the last of its octet. */
  readonly last: boolean
}

interface Layout {
  readonly name: MethodName
  readonly id: number
  readonly args: readonly Argument[]
  readonly carriesContent: boolean
}

/** The class id and method id of each method. */
export const METHOD_IDS = Object.fromEntries(
  Object.entries(SPEC).map(([name, [classId, methodId]]) => [name, [classId, methodId]]),
) as unknown as Record<MethodName, readonly [classId: number, methodId: number]>

const CARRY_CONTENT = ['basic.publish', 'basic.return', 'basic.deliver', 'basic.get-ok']

const byName = new Map<string, Layout>()
const byId = new Map<number, Layout>()
for (const [name, [classId, methodId, args]] of Object.entries(SPEC)) {
  const id = classId * 0x10000 + methodId
  const carriesContent = CARRY_CONTENT.includes(name)
  const layout = { name: name as MethodName, id, args: layoutOf(args), carriesContent }
  byName.set(name, layout)
  byId.set(layout.id, layout)
}

function layoutOf(args: readonly (readonly [string, Domain])[]): Argument[] {
  let bits = 0
  return args.map(([name, domain], index) => {
    bits = domain === 'bit' ? bits % 8 : 0
    const mask = domain === 'bit' ? 1 << bits++ : 0
    return { name, domain, mask, last: bits === 8 || args[index + 1]?.[1] !== 'bit' }
  })
}

/**
 * Reads the payload of a method frame. Throws CodecError with the ids it found: 503 for a method that isn't in the
 * table, 501 for arguments that are cut off or too long, or not UTF-8 in a method without content, 502 for a broken table among them.
 */
export function decodeMethod(payload: Buffer): Method {
  if (payload.length < 4) throw new CodecError(FRAME_ERROR, 'a method frame without a method')
  const id = longAt(payload, 0)
  const layout = byId.get(id)
  if (!layout)
    throw new CodecError(COMMAND_INVALID, `unknown method ${id >>> 16}.${id & 0xffff}`, id >>> 16, id & 0xffff)
  try {
    return readArguments(readerOf(payload, 4, FRAME_ERROR), layout)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw new CodecError(error.code, `${layout.name}: ${error.message}`, id >>> 16, id & 0xffff)
  }
}

/**
 * Writes the complete frame of a method. A short string over 255 bytes is a RangeError (reply texts are cut instead):
 * nothing that a broker sends has one, because it got none.
 */
export function encodeMethod(channel: number, method: OutgoingMethod): Buffer {
  return encoded(writeMethodFrame, { channel, method })
}

function readArguments(reader: Reader, layout: Layout): Method {
  const method: Record<string, unknown> = { name: layout.name }
  let bits = 0
  for (const { name, domain, mask } of layout.args) {
    if (mask === 1) bits = readOctet(reader)
    const isBytes = layout.carriesContent && domain === 'shortstr'
    const value = domain === 'bit' ? (bits & mask) !== 0 : isBytes ? READ_BYTES(reader) : READ[domain](reader)
    if (name) method[name] = value
  }
  if (reader.at !== reader.end) throw new CodecError(FRAME_ERROR, `${reader.end - reader.at} bytes too many`)
  return method as unknown as Method
}

function writeMethodFrame(writer: Writer, { channel, method }: { channel: number; method: OutgoingMethod }): void {
  const layout = byName.get(method.name)
  if (!layout) throw new TypeError(`no method ${method.name}`)
  writeOctet(writer, 1)
  writeShort(writer, channel)
  const size = reserve(writer, 4)
  writeLong(writer, layout.id)
  const values = method as unknown as Record<string, unknown>
  let bits = 0
  for (const { name, domain, mask, last } of layout.args) {
    const value = name ? values[name] : undefined
    if (domain !== 'bit') {
      WRITE[domain](writer, value as never)
      continue
    }
    bits = (mask === 1 ? 0 : bits) | (value ? mask : 0)
    if (last) writeOctet(writer, bits)
  }
  setLong(writer.buffer, size, writer.at - size - 4)
  writeOctet(writer, 0xce)
}
