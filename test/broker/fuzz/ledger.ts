// What was sent, by content alone: whatever comes back has to be among it, byte by byte but for what a broker edits.
import { createHash } from 'node:crypto'
import type { Delivery } from './client.ts'
import { PROPERTY_KINDS } from './messages.ts'

export interface Ledger {
  sent(exchange: Buffer, routingKey: Buffer, properties: Buffer, body: Buffer): void
  /** @returns what is wrong with a message that came, or undefined */
  problem(delivery: Delivery): string | undefined
  readonly count: number
}

/** How many of the latest messages are kept, to show what a wrong one should have been. */
const KEPT = 500

/** Headers that a broker writes or takes out. */
const EDITED = /^(?:x-death|x-(?:first|last)-death-(?:queue|exchange|reason)|x-delivery-count|x-acquired-count|CC|BCC)$/

export function createLedger(): Ledger {
  const places = new Map<string, Set<string>>()
  const latest = new Map<string, Buffer>()

  return {
    get count() {
      return places.size
    },

    sent(exchange, routingKey, properties, body) {
      const key = digest(Buffer.concat([canonical(properties).bytes, body]))
      const place = placeOf(exchange, routingKey)
      const known = places.get(key)
      if (known) known.add(place)
      else places.set(key, new Set([place]))
      latest.set(digest(body), properties)
      if (latest.size > KEPT) latest.delete(latest.keys().next().value as string)
    },

    problem({ exchange, routingKey, properties, body }) {
      const { bytes, hasDied } = canonical(properties)
      const known = places.get(digest(Buffer.concat([bytes, body])))
      if (!known) {
        const original = latest.get(digest(body))
        const hint = original ? `; one with its body had ${original.toString('hex').slice(0, 2_000)}` : ''
        return `a message that nobody has sent: a body of ${body.length} bytes, properties ${properties.toString('hex').slice(0, 2_000)}${hint}`
      }
      // What has died goes on by other names.
      if (hasDied || known.has(placeOf(exchange, routingKey))) return undefined
      return `a message from exchange <${exchange.toString('hex')}> with key <${routingKey.toString('hex')}>, sent as ${[...known]}`
    },
  }
}

function placeOf(exchange: Buffer, routingKey: Buffer): string {
  return `<${exchange.toString('hex')}>/<${routingKey.toString('hex')}>`
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64').slice(0, 16)
}

/** The properties without what a broker may have edited. */
function canonical(properties: Buffer): { bytes: Buffer; hasDied: boolean } {
  const flags = properties.readUInt16BE(0)
  const parts: Buffer[] = []
  let hasDied = false
  let at = 2
  for (const [index, kind] of PROPERTY_KINDS.entries()) {
    if (!(flags & (0x8000 >> index))) continue
    const bytes = properties.subarray(at, at + sizeOf(kind, properties, at))
    at += bytes.length
    if (kind === 'headers') {
      const fields = fieldsOf(bytes)
      hasDied = fields.some(({ name }) => name === 'x-death')
      const kept = fields.filter(({ name }) => !EDITED.test(name)).map(({ bytes }) => bytes)
      if (kept.length > 0) parts.push(Buffer.from([index]), ...kept)
    } else if (kind === 'replyTo' && bytes.includes('amq.rabbitmq.reply-to')) {
      parts.push(Buffer.from([index]))
    } else if (kind !== 'expiration') {
      parts.push(Buffer.from([index]), bytes)
    }
  }
  if (at !== properties.length) throw new Error(`properties of ${properties.length} bytes end at ${at}`)
  return { bytes: Buffer.concat(parts), hasDied }
}

function sizeOf(kind: string, bytes: Buffer, at: number): number {
  if (kind === 'deliveryMode' || kind === 'priority') return 1
  if (kind === 'headers') return 4 + bytes.readUInt32BE(at)
  return kind === 'timestamp' ? 8 : 1 + bytes.readUInt8(at)
}

/** The fields of a table, its length in front. Of several with one name all are there. */
function fieldsOf(table: Buffer): { name: string; bytes: Buffer }[] {
  const found: { name: string; bytes: Buffer }[] = []
  for (let at = 4; at < table.length; ) {
    const start = at
    const name = table.toString('latin1', at + 1, at + 1 + table.readUInt8(at))
    at += 1 + name.length
    at += 1 + valueSize(table, at)
    found.push({ name, bytes: table.subarray(start, at) })
  }
  return found
}

const SIZES = new Map(
  Object.entries({ t: 1, b: 1, B: 1, s: 2, u: 2, I: 4, i: 4, f: 4, D: 5, l: 8, L: 8, T: 8, d: 8, V: 0 }),
)

/** Bytes of a value, whose letter is at `at`. */
function valueSize(table: Buffer, at: number): number {
  const tag = String.fromCharCode(table.readUInt8(at))
  return SIZES.get(tag) ?? 4 + table.readUInt32BE(at + 1)
}
