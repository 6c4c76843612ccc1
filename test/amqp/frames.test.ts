import fc from 'fast-check'
import t from 'tap'
import {
  decodeHeader,
  encodeBodyStart,
  encodeHeader,
  FRAME_BODY,
  FRAME_HEADER,
  FRAME_HEARTBEAT,
  FRAME_METHOD,
  type FrameReader,
  HEARTBEAT,
  readFrames,
} from '../../supervisor/amqp/frames.ts'

interface Frame {
  type: number
  channel: number
  payload: Buffer
}

function bytesOf({ type, channel, payload }: Frame): Buffer {
  const bytes = Buffer.alloc(payload.length + 8)
  bytes[0] = type
  bytes.writeUInt16BE(channel, 1)
  bytes.writeUInt32BE(payload.length, 3)
  payload.copy(bytes, 7)
  bytes[bytes.length - 1] = 0xce
  return bytes
}

const frame: fc.Arbitrary<Frame> = fc.record({
  type: fc.constantFrom(FRAME_METHOD, FRAME_HEADER, FRAME_BODY),
  channel: fc.nat(0xffff),
  payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
})

function collect(frameMax = 0): { frames: Frame[]; reader: FrameReader } {
  const frames: Frame[] = []
  const reader = readFrames(frameMax, (type, channel, payload) => frames.push({ type, channel, payload }))
  return { frames, reader }
}

function body(size: number, channel = 1): Buffer {
  return bytesOf({ type: FRAME_BODY, channel, payload: Buffer.alloc(size, 0x42) })
}

t.test('frames arrive whole, wherever the stream is cut', async () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat(300), { maxLength: 30 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(bytesOf))
      const { frames, reader } = collect()
      let at = 0
      for (const cut of cuts) {
        reader.push(stream.subarray(at, at + cut))
        at += cut
      }
      reader.push(stream.subarray(at))
      return JSON.stringify(frames) === JSON.stringify(sent)
    }),
    { numRuns: 1000 },
  )
})

t.test('cut at every boundary, into two and into single bytes', async (t) => {
  const sent = [
    { type: FRAME_METHOD, channel: 258, payload: Buffer.from('method') },
    { type: FRAME_HEARTBEAT, channel: 0, payload: Buffer.alloc(0) },
    { type: FRAME_BODY, channel: 1, payload: Buffer.from([0xce, 0xce]) },
  ]
  const stream = Buffer.concat(sent.map(bytesOf))
  for (let at = 0; at <= stream.length; at++) {
    const { frames, reader } = collect(4096)
    reader.push(stream.subarray(0, at))
    reader.push(stream.subarray(at))
    t.equal(JSON.stringify(frames), JSON.stringify(sent), `at ${at}`)
  }
  const { frames, reader } = collect(4096)
  for (const byte of stream) reader.push(Buffer.from([byte]))
  t.equal(JSON.stringify(frames), JSON.stringify(sent))
})

t.test('a payload within one chunk is a view of it', async (t) => {
  const { frames, reader } = collect()
  const chunk = body(10)
  reader.push(chunk)
  t.equal(frames[0]?.payload.buffer, chunk.buffer)
  chunk[7] = 1
  t.equal(frames[0]?.payload[0], 1)
})

t.test('byte by byte, a large frame takes time in proportion', async (t) => {
  function time(size: number): number {
    const bytes = body(size)
    const singles = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
    const { frames, reader } = collect()
    // Not the CPU's time, which some kernels count in ticks: a small frame can take none.
    const start = performance.now()
    for (const single of singles) reader.push(single)
    const spent = performance.now() - start
    t.equal(frames[0]?.payload.length, size)
    return spent
  }
  time(50_000)
  const small = Math.min(time(50_000), time(50_000), time(50_000))
  const large = Math.min(time(800_000), time(800_000), time(800_000))
  // 16 times the bytes; copying all for each of them would take 256 times as long.
  t.ok(large < small * 80, `${small} ms for 50 kB, ${large} ms for 800 kB`)
})

t.test('an announced frame takes no memory before it comes', async (t) => {
  const before = process.memoryUsage().arrayBuffers
  const readers = Array.from({ length: 500 }, () => collect(0).reader)
  for (const reader of readers) reader.push(Buffer.from([FRAME_BODY, 0, 1, 0x10, 0, 0, 0]))
  const grown = process.memoryUsage().arrayBuffers - before
  t.ok(grown < 1_000_000, `${grown} bytes for 500 frames of 256 MB`)
})

t.test('frames that are too large are refused as soon as their size is known', async (t) => {
  const { frames, reader } = collect(4096)
  reader.push(body(4088))
  // RabbitMQ lets the payload alone have all of frame-max.
  reader.push(body(4096))
  t.equal(frames.length, 2)
  t.throws(() => reader.push(body(4097).subarray(0, 7)), { name: 'CodecError', code: 501 })
  t.doesNotThrow(() => reader.push(body(1)), 'what follows is dropped')
  t.equal(frames.length, 2)
})

t.test('setFrameMax counts from the next frame on; 0 is no limit', async (t) => {
  const { frames, reader } = collect(4096)
  reader.setFrameMax(131_072)
  reader.push(body(100_000))
  reader.setFrameMax(0)
  reader.push(body(1_000_000))
  t.equal(frames.length, 2)
  reader.setFrameMax(4096)
  t.throws(() => reader.push(body(5000)), { code: 501 })
})

t.test('what is no frame is 501', async (t) => {
  const wrongEnd = body(3)
  wrongEnd[wrongEnd.length - 1] = 0
  const heartbeat = bytesOf({ type: FRAME_HEARTBEAT, channel: 0, payload: Buffer.alloc(1) })
  for (const bytes of [wrongEnd, heartbeat, Buffer.from('GET / HTTP/1.1\r\n'), Buffer.from([5, 0, 0, 0, 0, 0, 0])]) {
    t.throws(() => collect(4096).reader.push(bytes), { name: 'CodecError', code: 501 })
    const { reader } = collect(4096)
    const pushSingles = () => {
      for (const byte of bytes) reader.push(Buffer.from([byte]))
    }
    t.throws(pushSingles, { name: 'CodecError', code: 501 })
  }
})

t.test('frames before the broken one still come', async (t) => {
  const { frames, reader } = collect(4096)
  t.throws(() => reader.push(Buffer.concat([body(1), body(2), Buffer.alloc(8)])), { code: 501 })
  t.equal(frames.length, 2)
})

t.test('paused, nothing is called and nothing is lost', async (t) => {
  const { frames, reader } = collect(4096)
  reader.pause()
  const stream = Buffer.concat([body(1), body(2), body(3)])
  for (const byte of stream) reader.push(Buffer.from([byte]))
  t.equal(frames.length, 0)
  reader.resume()
  t.same(
    frames.map(({ payload }) => payload.length),
    [1, 2, 3],
  )
})

t.test('pausing from inside onFrame works at once, resuming too', async (t) => {
  const seen: number[] = []
  const reader = readFrames(4096, (_, channel) => {
    seen.push(channel)
    if (channel === 2) reader.pause()
    if (channel === 4) {
      reader.pause()
      reader.resume()
    }
  })
  reader.push(Buffer.concat([body(1, 1), body(1, 2), body(1, 3)]))
  t.same(seen, [1, 2])
  reader.push(Buffer.concat([body(1, 4), body(1, 5)]))
  t.same(seen, [1, 2])
  reader.resume()
  t.same(seen, [1, 2, 3, 4, 5])
})

t.test('bytes pushed from inside onFrame come after those that are there', async (t) => {
  const seen: number[] = []
  const reader = readFrames(4096, (_, channel) => {
    seen.push(channel)
    if (channel === 1) reader.push(body(1, 3))
  })
  reader.push(Buffer.concat([body(1, 1), body(1, 2)]))
  t.same(seen, [1, 2, 3])
})

t.test('what onFrame throws comes out, and the frames behind wait', async (t) => {
  const seen: number[] = []
  const reader = readFrames(4096, (_, channel) => {
    seen.push(channel)
    if (channel === 2) throw new Error('no')
  })
  t.throws(() => reader.push(Buffer.concat([body(1, 1), body(1, 2), body(1, 3)])), { message: 'no' })
  t.same(seen, [1, 2])
  reader.resume()
  t.same(seen, [1, 2, 3])
  reader.push(body(1, 4))
  t.same(seen, [1, 2, 3, 4])
})

t.test('chunks keep their order through a pause, a throw and another push', async (t) => {
  const seen: number[] = []
  const reader = readFrames(4096, (_, channel) => {
    seen.push(channel)
    if (channel === 1) throw new Error('no')
  })
  reader.pause()
  for (const channel of [1, 2]) reader.push(body(1, channel))
  t.throws(() => reader.resume(), { message: 'no' })
  reader.push(body(1, 3))
  t.same(seen, [1, 2, 3])
})

t.test('thousands of chunks that waited come in order, with pauses between', async (t) => {
  const seen: number[] = []
  const reader = readFrames(4096, (_, channel) => {
    seen.push(channel)
    if (channel % 700 === 0) reader.pause()
  })
  reader.pause()
  const sent = Array.from({ length: 5000 }, (_, channel) => channel)
  for (const channel of sent) reader.push(body(1, channel))
  for (let pauses = 0; pauses < 10; pauses++) reader.resume()
  t.same(seen, sent)
})

t.test('content headers', async (t) => {
  fc.assert(
    fc.property(fc.nat(0xffff), fc.maxSafeNat(), fc.uint8Array({ minLength: 2 }), (channel, bodySize, properties) => {
      const { frames, reader } = collect()
      reader.push(encodeHeader(channel, bodySize, Buffer.from(properties)))
      const header = decodeHeader(frames[0]?.payload as Buffer)
      return (
        frames[0]?.type === FRAME_HEADER &&
        frames[0].channel === channel &&
        header.classId === 60 &&
        header.weight === 0 &&
        header.bodySize === bodySize &&
        header.properties.equals(Buffer.from(properties))
      )
    }),
  )
  t.throws(() => decodeHeader(Buffer.alloc(13)), { code: 501 })
  const huge = Buffer.from([0, 60, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  t.equal(decodeHeader(huge).bodySize, 2 ** 60)
})

t.test('the start of a body frame, and the heartbeat', async (t) => {
  const { frames, reader } = collect(4096)
  reader.push(Buffer.concat([encodeBodyStart(7, 3), Buffer.from('abc'), Buffer.from([0xce])]))
  reader.push(HEARTBEAT)
  t.equal(
    JSON.stringify(frames),
    JSON.stringify([
      { type: FRAME_BODY, channel: 7, payload: Buffer.from('abc') },
      { type: FRAME_HEARTBEAT, channel: 0, payload: Buffer.alloc(0) },
    ]),
  )
})
