import type { Table } from './field-values.ts'
import { nextField } from './fields.ts'
import { readerOf } from './reader.ts'
import { FLAG, findPlaces, type Places } from './scan-properties.ts'
import { writeField, writeTable } from './write-fields.ts'
import { encoded, reserve, setLong, type Writer, writeBytes, writeShort, writeShortstr } from './writer.ts'

/**
 * The same properties with other headers, or none, and without `expiration` if `dropExpiration`. Everything else keeps
 * its bytes. Throws CodecError 502 on properties that `scanProperties` would refuse.
 */
export function replaceHeaders(raw: Buffer, headers: Table | undefined, dropExpiration = false): Buffer {
  function write(writer: Writer): void {
    if (headers) writeTable(writer, headers)
  }
  return rebuild(raw, findPlaces(raw), { write, present: headers !== undefined, dropExpiration })
}

/**
 * The same properties with some headers set, or removed where `changes` says undefined. The other headers keep their
 * bytes, and with them the exact types that decoding and encoding them again would lose.
 */
export function editHeaders(raw: Buffer, changes: Table, dropExpiration = false): Buffer {
  const places = findPlaces(raw)
  function write(writer: Writer): void {
    const start = reserve(writer, 4)
    if (places.headersEnd > places.headersAt) keepFields(writer, raw, places, changes)
    for (const name of Object.keys(changes)) {
      const value = changes[name]
      if (value !== undefined) writeField(writer, name, value)
    }
    setLong(writer.buffer, start, writer.at - start - 4)
  }
  return rebuild(raw, places, { write, present: true, dropExpiration })
}

/**
 * The same properties with more headers, behind those that are there, and without `expiration`. Throws as
 * `replaceHeaders` does.
 * @param fields fields of a table, with names that no header has yet
 */
export function addHeaders(raw: Buffer, fields: Buffer): Buffer {
  const { flags, headersAt, headersEnd, expirationAt, expirationEnd } = findPlaces(raw)
  const keptAt = Math.min(headersAt + 4, headersEnd)
  const kept = headersEnd - keptAt + fields.length
  const size = headersAt + 4 + kept + (expirationAt - headersEnd) + (raw.length - expirationEnd)
  const added = Buffer.allocUnsafe(size)
  raw.copy(added, 0, 0, headersAt)
  added.writeUInt16BE((flags | FLAG.headers) & ~FLAG.expiration, 0)
  let at = added.writeUInt32BE(kept, headersAt)
  at += raw.copy(added, at, keptAt, headersEnd)
  at += fields.copy(added, at)
  at += raw.copy(added, at, headersEnd, expirationAt)
  raw.copy(added, at, expirationEnd)
  return added
}

/** The same properties without `expiration`: the very same bytes if there is none. Throws as `replaceHeaders` does. */
export function dropExpiration(raw: Buffer): Buffer {
  if (!(raw.readUInt16BE(0) & FLAG.expiration)) return raw
  const { flags, expirationAt, expirationEnd } = findPlaces(raw)
  const without = Buffer.concat([raw.subarray(0, expirationAt), raw.subarray(expirationEnd)])
  without.writeUInt16BE(flags & ~FLAG.expiration, 0)
  return without
}

/** The same properties with another `reply-to`. Everything else keeps its bytes. Throws as `replaceHeaders` does. */
export function replaceReplyTo(raw: Buffer, replyTo: string): Buffer {
  const { flags, replyToAt, expirationAt } = findPlaces(raw)
  return encoded((writer) => {
    writeShort(writer, flags | FLAG.replyTo)
    writeBytes(writer, raw.subarray(2, replyToAt))
    writeShortstr(writer, replyTo)
    writeBytes(writer, raw.subarray(expirationAt))
  }, undefined)
}

function keepFields(writer: Writer, raw: Buffer, places: Places, changes: Table): void {
  const reader = readerOf(raw, places.headersAt + 4)
  reader.end = places.headersEnd
  while (reader.at < reader.end) {
    const start = reader.at
    const name = nextField(reader)
    if (!Object.hasOwn(changes, name)) writeBytes(writer, raw.subarray(start, reader.at))
  }
}

interface Change {
  /** Writes the new headers. */
  write: (writer: Writer) => void
  present: boolean
  dropExpiration: boolean
}

function rebuild(raw: Buffer, places: Places, { write, present, dropExpiration }: Change): Buffer {
  let flags = present ? places.flags | FLAG.headers : places.flags & ~FLAG.headers
  if (dropExpiration) flags &= ~FLAG.expiration
  return encoded((writer) => {
    writeShort(writer, flags)
    writeBytes(writer, raw.subarray(2, places.headersAt))
    write(writer)
    writeBytes(writer, raw.subarray(places.headersEnd, dropExpiration ? places.expirationAt : raw.length))
    if (dropExpiration) writeBytes(writer, raw.subarray(places.expirationEnd))
  }, undefined)
}
