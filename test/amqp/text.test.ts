import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import t from 'tap'
import { decodeMethod, encodeMethod } from '../../supervisor/amqp/methods.ts'
import { cutToLength, decodeText, encodeText, putText, textLength } from '../../supervisor/amqp/text.ts'

/** Bytes of which many are parts of UTF-8 sequences, whole ones and broken ones. */
const bytes = fc
  .array(fc.oneof(fc.string({ unit: 'binary' }).map(encodeText), fc.uint8Array({ maxLength: 5 }).map(Buffer.from)))
  .map((parts) => Buffer.concat(parts as Buffer[]))

t.test('any bytes as text and back are the same bytes', async () => {
  fc.assert(
    fc.property(bytes, (raw) => {
      const text = decodeText(raw)
      const into = Buffer.alloc(raw.length + 2)
      return (
        encodeText(text).equals(raw) &&
        textLength(text) === raw.length &&
        putText(into, text, 1) === raw.length &&
        into.subarray(1, -1).equals(raw)
      )
    }),
    { numRuns: 2_000 },
  )
})

t.test('UTF-8 is plain text, and each byte that is none is a surrogate of its own', async (t) => {
  fc.assert(fc.property(bytes, (raw) => !isUtf8(raw) || decodeText(raw) === raw.toString()))
  t.equal(decodeText(Buffer.from('zwei \xe4 \xff', 'latin1')), 'zwei \udce4 \udcff')
  t.equal(decodeText(Buffer.from([0xed, 0xa0, 0x80])), '\udced\udca0\udc80', 'a surrogate in UTF-8 is no UTF-8')
  t.equal(decodeText(Buffer.from([0xc3, 0x41])), '\udcc3A', 'only the byte that is wrong')
  t.equal(decodeText(Buffer.from([0xf0, 0x9f, 0x98, 0x80, 0x80])), '😀\udc80')
  t.same(encodeText('\ud800 \udc00'), Buffer.from('\ufffd \ufffd'), 'surrogates that stand for no byte')
})

t.test('a text is cut between characters, and nowhere else', async (t) => {
  t.equal(cutToLength('äöü', 5), 'äö')
  t.equal(cutToLength('äöü', 6), 'äöü')
  t.equal(cutToLength('a😀', 4), 'a')
  t.equal(cutToLength('\udc80'.repeat(9), 6), '\udc80'.repeat(3), 'bytes that only look like parts of one')
})

t.test('methods with content take any bytes, and the others UTF-8 alone', async (t) => {
  const publish = { name: 'basic.publish', exchange: 'e\udcff', routingKey: '\udcfe' } as const
  t.match(decodeMethod(encodeMethod(1, publish).subarray(7, -1)), publish)
  const declare = encodeMethod(1, { name: 'queue.declare', queue: 'q\udcff' }).subarray(7, -1)
  t.throws(() => decodeMethod(declare), { name: 'CodecError', code: 501, classId: 50, methodId: 10 })
})
