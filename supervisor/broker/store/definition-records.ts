import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { encodeText } from '../../amqp/text.ts'
import { DEFINITION, OLD_DEFINITION } from './keys.ts'

// A definition's key is a hash of its name, which may be longer than any key: a binding's holds its arguments. The record:
//   crc32 u32 of the key and all behind it | name and value, as a JSON array
// Format 1 had the name itself in the key, and nothing but the value in the record.

const CHECKSUM = 4

/** The record of a definition does not hold what was written. */
export class DefinitionFormatError extends Error {}

export function definitionKey(name: string): Buffer {
  return Buffer.concat([Buffer.of(DEFINITION), createHash('sha256').update(encodeText(name)).digest()])
}

/** The key that format 1 had for it. */
export function oldDefinitionKey(name: string): Buffer {
  return Buffer.concat([Buffer.of(OLD_DEFINITION), Buffer.from(name)])
}

export function encodeDefinition(key: Buffer, name: string, value: unknown): Buffer {
  const json = Buffer.from(JSON.stringify([name, value]))
  const checksum = Buffer.alloc(CHECKSUM)
  checksum.writeUInt32LE(crc32(json, crc32(key)))
  return Buffer.concat([checksum, json])
}

/** @throws {DefinitionFormatError} if the record is not what was written */
export function decodeDefinition(key: Buffer, raw: Buffer): { name: string; value: unknown } {
  const json = raw.subarray(CHECKSUM)
  if (raw.length < CHECKSUM || raw.readUInt32LE() !== crc32(json, crc32(key))) {
    throw new DefinitionFormatError('the checksum of a definition is wrong')
  }
  const [name, value] = JSON.parse(json.toString()) as [string, unknown]
  return { name, value }
}

/** @throws {DefinitionFormatError} if the record is not what format 1 has written */
export function decodeOldDefinition(key: Buffer, raw: Buffer): { name: string; value: unknown } {
  const name = key.toString('utf8', 1)
  try {
    return { name, value: JSON.parse(raw.toString()) }
  } catch (error) {
    throw new DefinitionFormatError(`the definition ${JSON.stringify(name)} is not JSON`, { cause: error })
  }
}
