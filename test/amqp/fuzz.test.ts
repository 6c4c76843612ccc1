import fc from 'fast-check'
import t from 'tap'
import { CodecError } from '../../supervisor/amqp/errors.ts'
import { decodeFields, decodeTable, encodeTable } from '../../supervisor/amqp/fields.ts'
import { decodeHeader, encodeHeader, readFrames } from '../../supervisor/amqp/frames.ts'
import { decodeMethod, encodeMethod, type MethodName } from '../../supervisor/amqp/methods.ts'
import { decodeProperties, encodeProperties, scanProperties } from '../../supervisor/amqp/properties.ts'
import { SPEC } from '../../supervisor/amqp/spec.ts'

// WARREN_FUZZ is how many mutated frames to try; WARREN_FUZZ_SEED repeats a run.
const rounds = Number(process.env.WARREN_FUZZ ?? 20_000)
const seed = Number(process.env.WARREN_FUZZ_SEED ?? Date.now() % 2 ** 31)

const random = randomFrom(seed)
const below = (limit: number): number => Math.floor(random() * limit)

/** mulberry32: small, fast, and the same everywhere. */
function randomFrom(start: number): () => number {
  let state = start | 0
  return function next(): number {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const table = {
  text: 'x',
  list: [1, 2.5, null, true, { deep: [[['down']]] }],
  bytes: Buffer.from('bytes'),
  large: 2n ** 60n,
  nested: { a: { b: { c: 1 } } },
}
const properties = {
  contentType: 'application/json',
  headers: table,
  deliveryMode: 2,
  priority: 3,
  expiration: '1000',
  messageId: 'id',
  timestamp: 1,
  appId: 'app',
}

/** Good frames to start from: every method, with a table where it has one, headers, bodies. */
const corpus: Buffer[] = [
  ...(Object.keys(SPEC) as MethodName[]).map((name) =>
    encodeMethod(1, {
      name,
      arguments: table,
      clientProperties: table,
      serverProperties: table,
      queue: 'queue',
    } as never),
  ),
  encodeHeader(1, 5, encodeProperties(properties)),
  encodeHeader(1, 5, encodeProperties({ headers: table })),
  encodeHeader(1, 0, Buffer.alloc(2)),
  Buffer.from([3, 0, 1, 0, 0, 0, 2, 1, 2, 0xce]),
]
const interesting = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, 0xce, ...Buffer.from('tbBsuIilLfdDSATFVx')]

function mutated(original: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(original)
  for (let count = 1 + below(4); count > 0; count--) {
    const at = below(bytes.length)
    switch (below(6)) {
      case 0:
        bytes[at] = below(256)
        break
      case 1:
        bytes[at] = interesting[below(interesting.length)] as number
        break
      case 2:
        bytes[at] = (bytes[at] as number) ^ (1 << below(8))
        break
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + below(9))])
        break
      case 4: {
        const other = corpus[below(corpus.length)] as Buffer
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(below(other.length)), bytes.subarray(at)])
        break
      }
      default:
        bytes.fill(below(256), at, Math.min(bytes.length, at + below(9)))
    }
    if (bytes.length === 0) return Buffer.from([below(256)])
  }
  return bytes
}

/** True when it returns or throws a CodecError; anything else comes out. */
function survives(decode: () => unknown): boolean {
  try {
    decode()
    return true
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return false
  }
}

function decodeFrame(type: number, payload: Buffer): void {
  if (type === 1) {
    const method = decodeMethod(payload)
    // What was read can be sent, and then is the same again.
    const again = encodeMethod(1, method)
    if (!encodeMethod(1, decodeMethod(again.subarray(7, -1))).equals(again)) throw new Error(`${method.name} changes`)
  } else if (type === 2) {
    const { properties: raw } = decodeHeader(payload)
    scanProperties(raw)
    decodeProperties(raw)
  }
}

t.test(`mutated frames decode or are CodecErrors (${rounds}, seed ${seed})`, async (t) => {
  let good = 0
  let bad = 0
  for (let round = 0; round < rounds; round++) {
    const bytes = mutated(corpus[below(corpus.length)] as Buffer)
    const cut = below(bytes.length)
    const decode = () => {
      const reader = readFrames(131_072, (type, _, payload) => decodeFrame(type, payload))
      reader.push(bytes.subarray(0, cut))
      reader.push(bytes.subarray(cut))
    }
    // Past the frame's own checks, so that most rounds reach what is inside.
    const inside = () => decodeFrame(bytes[0] === 2 ? 2 : 1, bytes.subarray(7, -1))
    try {
      const survived = survives(round % 2 ? decode : inside)
      if (survived) good++
      else bad++
    } catch (error) {
      t.fail(`${bytes.toString('hex')} cut at ${cut}, round ${round}`, { found: error })
      return
    }
  }
  t.ok(good > rounds / 20, `${good} decoded`)
  t.ok(bad > rounds / 20, `${bad} were refused`)
})

t.test('random bytes and mutated tables decode or are CodecErrors', async (t) => {
  const original = encodeTable(table)
  for (let round = 0; round < rounds / 4; round++) {
    const bytes = round % 2 ? mutated(original) : Buffer.from(Array.from({ length: below(40) }, () => below(256)))
    try {
      survives(() => decodeTable(bytes, 0))
      survives(() => decodeTable(bytes, bytes.length + below(5)))
      survives(() => decodeFields(bytes))
      survives(() => decodeProperties(bytes))
      survives(() => scanProperties(bytes))
      survives(() => decodeHeader(bytes))
      survives(() => decodeMethod(bytes))
    } catch (error) {
      t.fail(`${bytes.toString('hex')}, round ${round}`, { found: error })
      return
    }
  }
  t.pass(`${rounds / 4} rounds`)
})

t.test('any bytes at all: fast-check finds no other error and shrinks what it finds', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const buffer = Buffer.from(bytes)
      for (const decode of [decodeMethod, decodeProperties, scanProperties, decodeHeader, decodeFields]) {
        survives(() => decode(buffer))
      }
    }),
    { numRuns: Math.min(rounds / 4, 20_000) },
  )
})
