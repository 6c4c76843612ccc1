import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { encodeText } from '../../amqp/text.ts'
import { crcOf } from './crc.ts'
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
  const json = Buffer.from(textOf(name, value))
  const checksum = Buffer.alloc(CHECKSUM)
  checksum.writeUInt32LE(crc32(json, crc32(key)))
  return Buffer.concat([checksum, json])
}

/** A definition's name and value. */
export type Definition = [name: string, value: unknown]

/**
 * Where the JSON text of a definition's record begins; it ends with the record.
 * @param start where the record's key begins, right behind which its value is
 * @throws {DefinitionFormatError} if the record is not what was written
 */
export function textOfRecord(bytes: Buffer, start: number, keyEnd: number, end: number): number {
  const json = keyEnd + CHECKSUM
  if (json > end || bytes.readUInt32LE(keyEnd) !== crcOf(bytes, json, end, crcOf(bytes, start, keyEnd))) {
    throw new DefinitionFormatError('the checksum of a definition is wrong')
  }
  return json
}

/** @throws {DefinitionFormatError} if the record is not what format 1 has written */
export function readOldDefinition(bytes: Buffer, start: number, keyEnd: number, end: number): Definition {
  const name = bytes.toString('utf8', start + 1, keyEnd)
  try {
    return [name, JSON.parse(bytes.toString('utf8', keyEnd, end))]
  } catch (error) {
    throw new DefinitionFormatError(`the definition ${JSON.stringify(name)} is not JSON`, { cause: error })
  }
}

export function textOf(name: string, value: unknown): string {
  return JSON.stringify([name, value])
}

/** What the texts of names begin with that begin so. @param prefix of characters that JSON has as they are */
export function textPrefix(prefix: string): string {
  return `["${prefix}`
}

export function parseDefinition(text: string): Definition {
  return JSON.parse(text) as Definition
}
