import { crc32 } from 'node:zlib'
import t from 'tap'
import { createBodies } from '../../../supervisor/broker/store/bodies.ts'
import { StoredEntry } from '../../../supervisor/broker/store/entry.ts'
import { markRemoved, type Segment, setCounts } from '../../../supervisor/broker/store/segment.ts'
import { decodeIndex, encodeIndex } from '../../../supervisor/broker/store/segment-index.ts'
import { writeSegments } from '../../../supervisor/broker/store/segment-write.ts'
import { message, must } from './helpers.ts'

const LARGE = 'x'.repeat(5_000)
const bodies = createBodies(() => undefined, [])

function segmentOf(count: number, isShared = (_: number) => false): Segment {
  const source = {
    reload() {
      throw new Error('Nothing is on disk here')
    },
  }
  const entries = Array.from({ length: count }, (_, position) => {
    const kept = message(isShared(position) ? LARGE : 'body')
    if (isShared(position)) kept.shared = bodies.share(kept.body)
    const counts = { deliveryCount: 0, acquiredCount: 0, redelivered: false }
    return new StoredEntry(source, { position, message: kept, expiresAt: 0, ...counts })
  })
  return must(writeSegments(7, 3, entries, true)[0])
}

t.test('an index record keeps both counts of each message', async (t) => {
  const segment = segmentOf(300)
  t.equal(segment.counts, null, 'nothing is allocated for messages without counts')
  t.ok(setCounts(segment, 5, { deliveryCount: 1, acquiredCount: 2 }))
  t.notOk(setCounts(segment, 5, { deliveryCount: 1, acquiredCount: 2 }), 'the same again is no change')
  setCounts(segment, 6, { deliveryCount: 0, acquiredCount: 2 ** 32 - 1 })
  setCounts(segment, 299, { deliveryCount: 200, acquiredCount: 0 })
  setCounts(segment, 100, { deliveryCount: 9, acquiredCount: 9 })
  markRemoved(segment, 100, 4)

  const raw = encodeIndex(segment)
  const read = decodeIndex(segment, raw, bodies.find)
  t.same(countsOf(read), [
    [5, 1, 2],
    [6, 0, 2 ** 32 - 1],
    [299, 200, 0],
  ])
  t.equal(read.live, 299)
  t.same(read.removed, segment.removed)
  t.equal(decodeIndex(segment, encodeIndex(segmentOf(300)), bodies.find).counts, null)
})

t.test('an index record lists the shared bodies of what is not removed', async (t) => {
  const segment = segmentOf(300, (i) => i % 100 === 7)
  t.equal(segment.count, 300)
  t.ok(segment.size < 3 * 5_000, 'which are not in the segment')
  markRemoved(segment, 107, 5_000)
  const read = decodeIndex(segment, encodeIndex(segment), bodies.find)
  const ids = (segment.shared ?? []).map((body) => body?.id)
  t.same(Object.keys(read.shared ?? []), ['7', '207'])
  t.same([read.shared?.[7]?.id, read.shared?.[207]?.id], [ids[7], ids[207]])
})

t.test('an index record of version 1 is read', async (t) => {
  const segment = segmentOf(10)
  const { count, size } = segment
  const old = Buffer.alloc(30 + 2 + 8)
  old[4] = 1
  old.writeUInt32LE(count, 6)
  old.writeUInt32LE(size, 10)
  old.writeUInt32LE(9, 14)
  old.writeUInt32LE(9, 18)
  old.writeDoubleLE(36, 22)
  old[30] = 1
  old.writeUInt32LE(8, 32)
  old.writeUInt32LE(3, 36)
  old.writeUInt32LE(crc32(old.subarray(4)), 0)
  const read = decodeIndex({ queueId: 7, priority: 3, first: 0 }, old, bodies.find)
  t.match(read, { queueId: 7, priority: 3, first: 0, last: 9, count, size, live: 9, liveBytes: 36, volatile: false })
  t.same([...read.removed], [1, 0])
  t.same(countsOf(read), [[8, 3, 0]])
})

function countsOf({ counts, count }: Segment): number[][] {
  const all = Array.from({ length: count }, (_, i) => [i, counts?.[2 * i] ?? 0, counts?.[2 * i + 1] ?? 0])
  return all.filter(([, deliveries, acquired]) => deliveries || acquired)
}
