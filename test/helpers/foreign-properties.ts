/** Draws AMQP properties as any client may write them: in the form of the wire, of every type that brokers pass on. */

type Nat = (below: number) => number

/** Names that mean something to Warren, to a broker or to JavaScript, among others. */
const NAMES =
  'x-delivery-count x-attempt x-deaths x-request-id x-due x-life x-error x-dead-first-failed-at x-dead-line __proto__ toString constructor valueOf a é 0'.split(
    ' ',
  )
const FIXED: Record<string, number> = { t: 1, b: 1, B: 1, s: 2, u: 2, I: 4, i: 4, l: 8, L: 8, T: 8, D: 5, V: 0 }
const TYPES = [...Object.keys(FIXED), 'f', 'd', 'S', 'x', 'F', 'A']

const sized = (bytes: Buffer) => {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

function octets(nat: Nat, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => (nat(3) === 0 ? 0xff : nat(256))))
}

function value(nat: Nat, depth: number): Buffer {
  const type = TYPES[nat(depth > 3 ? TYPES.length - 2 : TYPES.length)] as string
  const tag = Buffer.from(type)
  if (type in FIXED) return Buffer.concat([tag, octets(nat, FIXED[type] as number)])
  if (type === 'f' || type === 'd') {
    const number = Buffer.alloc(type === 'f' ? 4 : 8)
    // RabbitMQ has no NaN and no infinity.
    if (type === 'f') number.writeFloatBE(nat(1_000) - 500)
    else number.writeDoubleBE((nat(1_000) - 500) / 7)
    return Buffer.concat([tag, number])
  }
  if (type === 'F') return Buffer.concat([tag, table(nat, depth + 1)])
  if (type === 'A') {
    return Buffer.concat([tag, sized(Buffer.concat(Array.from({ length: nat(4) }, () => value(nat, depth + 1))))])
  }
  return Buffer.concat([tag, sized(octets(nat, nat(40)))])
}

function table(nat: Nat, depth: number): Buffer {
  const fields = Array.from({ length: nat(6) }, () => {
    const name = Buffer.from(NAMES[nat(NAMES.length)] as string)
    return Buffer.concat([Buffer.from([name.length]), name, value(nat, depth)])
  })
  return sized(Buffer.concat(fields))
}

/** A header that is nested so deep. */
export function nested(depth: number): Buffer {
  let inner = Buffer.from('V')
  for (let n = 0; n < depth; n++)
    inner = Buffer.concat([Buffer.from('F'), sized(Buffer.concat([Buffer.from([1, 97]), inner]))])
  return sized(Buffer.concat([Buffer.from([4]), Buffer.from('deep'), inner]))
}

const SHORT_TEXTS = [0x8000, 0x4000, 0x0400, 0x0080, 0x0020, 0x0008]

/**
 * Property flags and properties. Never a user id, an expiration or CC: these a broker checks.
 * @param headers a table to have, instead of a drawn one
 */
export function foreignProperties(nat: Nat, headers?: Buffer): Buffer {
  let flags = headers ? 0x2000 : 0
  const parts: Buffer[] = []
  for (let flag = 0x8000; flag >= 0x0004; flag >>= 1) {
    const isUsed = flag === 0x2000 ? headers !== undefined || nat(4) > 0 : nat(3) === 0
    if (!isUsed) continue
    if (SHORT_TEXTS.includes(flag)) {
      // Not what a body is encoded in: that would have to be true.
      if (flag === 0x4000) continue
      const text = octets(nat, nat(256))
      parts.push(Buffer.from([text.length]), text)
    } else if (flag === 0x2000) parts.push(headers ?? table(nat, 0))
    else if (flag === 0x1000) parts.push(Buffer.from([1 + nat(2)]))
    else if (flag === 0x0800) parts.push(Buffer.from([nat(10)]))
    else if (flag === 0x0200) parts.push(Buffer.from([4]), Buffer.from('nope'))
    else if (flag === 0x0040) parts.push(octets(nat, 8))
    else continue
    flags |= flag
  }
  return Buffer.concat([Buffer.from([flags >> 8, flags & 0xff]), ...parts])
}
