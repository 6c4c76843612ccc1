import fc from 'fast-check'
import t from 'tap'
import { createGatherer } from '../../../supervisor/messaging/wire/gather.ts'

t.test('messages come out as they went in, whatever the pieces, and stay so', async (t) => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 90_000 })), {
    maxLength: 8,
  })
  const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 65_536 })), {
    minLength: 1,
  })
  fc.assert(
    fc.property(sizes, cuts, fc.boolean(), (lengths, pieces, isKnown) => {
      const messages = lengths.map((length, index) => Buffer.alloc(length, index + 1))
      const gatherer = createGatherer()
      const found: Buffer[] = []
      let rest: Buffer = Buffer.alloc(0)
      const stream = Buffer.concat(messages)
      for (let at = 0, n = 0; at < stream.length; n++) {
        const length = pieces[n % pieces.length] as number
        rest = gatherer.join(rest, stream.subarray(at, at + length), isKnown ? (lengths[found.length] ?? 0) : 0)
        at += length
        for (;;) {
          const whole = lengths[found.length]
          if (whole !== undefined && rest.length >= whole) {
            found.push(rest.subarray(0, whole))
            rest = rest.subarray(whole)
            continue
          }
          const kept = gatherer.take()
          if (!kept) break
          rest = Buffer.concat([rest, kept])
        }
      }
      return found.length === messages.length && found.every((one, index) => one.equals(messages[index] as Buffer))
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('a piece by itself is not copied; a message is put together in one place of its size', async (t) => {
  const gatherer = createGatherer()
  const first = Buffer.alloc(60_000, 1)
  t.equal(gatherer.join(Buffer.alloc(0), first, 150_000), first)
  const two = gatherer.join(first, Buffer.alloc(60_000, 2), 150_000)
  t.equal(gatherer.take(), undefined)
  const three = gatherer.join(two, Buffer.alloc(60_000, 3), 150_000)
  t.equal(three.buffer, two.buffer)
  t.equal(three.buffer.byteLength, 150_000)
  t.same(gatherer.take(), Buffer.alloc(30_000, 3))
  t.equal(gatherer.take(), undefined)
})
