// Names, field values and tables as some client might send them.
import { array, encodeField, type Field, long, longlong, longstr, octet, short, table } from './bytes.ts'
import type { Dice } from './dice.ts'

/** The largest table that still fits into a content header of one frame, with the other properties beside it. */
const LARGE_TABLE = 125_000

/** Names that were drawn: most are drawn again, so that what is declared is met. */
export interface Names {
  queue(): Buffer
  exchange(): Buffer
  key(): Buffer
  tag(): Buffer
  /** All the queues' names so far. */
  readonly queues: readonly Buffer[]
  readonly exchanges: readonly Buffer[]
  /** A queue that the broker has named. */
  learn(queue: Buffer): void
}

/** How many names of a kind there are at most: with more, nothing would meet. */
const NAMES_MAX = 40

export function drawNames(dice: Dice): Names {
  const queues: Buffer[] = ['q0', 'q1', 'q2', 'q3'].map((name) => Buffer.from(name))
  const exchanges: Buffer[] = ['e0', 'e1', 'e2', 'e3'].map((name) => Buffer.from(name))
  const predeclared = ['amq.direct', 'amq.fanout', 'amq.topic', 'amq.headers', 'amq.match'].map((n) => Buffer.from(n))

  function known(of: Buffer[], newChance: number): Buffer {
    if (!dice.chance(newChance) || of.length >= NAMES_MAX)
      return dice.chance(0.6) ? (of[dice.below(4)] as Buffer) : dice.of(of)
    const name = text(dice)
    of.push(name)
    return name
  }

  return {
    queues,
    exchanges,
    queue: () => (dice.chance(0.04) ? Buffer.alloc(0) : known(queues, 0.04)),
    exchange: () => (dice.chance(0.25) ? dice.of(predeclared) : known(exchanges, 0.04)),
    key() {
      if (dice.chance(0.3)) return dice.of(queues)
      if (dice.chance(0.2)) return Buffer.from(dice.of(['#', '*', 'a.#', '#.b', 'a.*.c', '#.*.#.*', '*.*']))
      return dice.chance(0.6) ? Buffer.from(dice.of(['a', 'b', 'a.b', 'a.b.c', '', '.', 'a..b'])) : text(dice)
    },
    tag: () => (dice.chance(0.9) ? Buffer.from(`t${dice.below(5)}`) : text(dice)),
    learn: (queue) => void (queues.length < NAMES_MAX && queues.push(queue)),
  }
}

/** A short string: of any length, mostly of letters, often of any bytes. */
export function text(dice: Dice): Buffer {
  return dice.weighted<() => Buffer>([
    [4, () => Buffer.from(dice.bytes(dice.between(1, 12)).toString('hex'))],
    [2, () => Buffer.from('äß€𝄞-ключ'.slice(dice.below(4)))],
    [2, () => dice.bytes(dice.between(1, 40))],
    [1, () => dice.bytes(255)],
    [1, () => Buffer.alloc(dice.between(240, 255), dice.below(32))],
    [1, () => Buffer.from(dice.of(['amq.x', 'amq.gen-x', ' ', '\r\n', 'a\0b', '__proto__', 'constructor']))],
  ])()
}

/** A field's value with its type. */
export function value(dice: Dice, depth = 0): Omit<Field, 'name'> {
  const tag = dice.of(['S', 'S', 'S', 't', 'b', 'B', 's', 'u', 'I', 'i', 'l', 'T', 'd', 'f', 'D', 'V', 'x', 'F', 'A'])
  switch (tag) {
    case 'S':
    case 'x':
      return { tag, value: longstr(dice.chance(0.5) ? text(dice) : dice.bytes(dice.between(0, 300))) }
    case 't':
    case 'b':
    case 'B':
      return { tag, value: octet(dice.below(256)) }
    case 's':
    case 'u':
      return { tag, value: short(dice.below(65_536)) }
    case 'I':
    case 'i':
      return { tag, value: long(dice.chance(0.7) ? dice.below(100) : dice.below(2 ** 32)) }
    case 'd':
    case 'f':
      return { tag, value: float(dice, tag) }
    case 'D':
      return { tag, value: Buffer.concat([octet(dice.below(10)), long(dice.below(2 ** 32))]) }
    case 'V':
      return { tag, value: Buffer.alloc(0) }
    case 'F':
      return depth > 5 ? { tag: 'V', value: Buffer.alloc(0) } : { tag, value: table(fields(dice, 3, depth + 1)) }
    case 'A': {
      const elements = Array.from({ length: dice.below(4) }, () => value(dice, depth + 1))
      return depth > 5 ? { tag: 'V', value: Buffer.alloc(0) } : { tag, value: array(elements) }
    }
    default:
      return { tag, value: longlong(BigInt(dice.below(2 ** 40)) << BigInt(dice.below(24))) }
  }
}

/** Finite ones: others are refused, which the mutations see to. */
function float(dice: Dice, tag: 'd' | 'f'): Buffer {
  const bytes = Buffer.alloc(tag === 'd' ? 8 : 4)
  const number = (dice.fraction() - 0.5) * 1e6
  if (tag === 'd') bytes.writeDoubleBE(number)
  else bytes.writeFloatBE(number)
  return bytes
}

/** Up to so many fields with any names. */
export function fields(dice: Dice, max: number, depth = 0): Field[] {
  return Array.from({ length: dice.below(max + 1) }, () => ({ name: fieldName(dice), ...value(dice, depth) }))
}

function fieldName(dice: Dice): Buffer {
  if (dice.chance(0.5)) return Buffer.from(dice.of(['a', 'b', 'h', 'x-a', '__proto__', 'x-match', '']))
  return text(dice)
}

/** Fields that have nearly as many bytes as a content header can. */
export function largeTable(dice: Dice): Field[] {
  const target = dice.chance(0.5) ? dice.between(65_000, 66_000) : dice.between(100, LARGE_TABLE)
  if (dice.chance(0.5)) return [{ name: Buffer.from('large'), tag: 'S', value: longstr(dice.bytes(target)) }]
  const all: Field[] = []
  for (let size = 0; size < target; ) {
    const field = { name: fieldName(dice), ...value(dice) }
    all.push(field)
    size += encodeField(field).length
  }
  return all
}

export const string = (name: string, of: Buffer | string): Field => {
  return { name: Buffer.from(name), tag: 'S', value: longstr(of) }
}
export const integer = (name: string, of: number): Field => ({ name: Buffer.from(name), tag: 'I', value: long(of) })
export const truth = (name: string, of: boolean): Field => ({
  name: Buffer.from(name),
  tag: 't',
  value: octet(of ? 1 : 0),
})
