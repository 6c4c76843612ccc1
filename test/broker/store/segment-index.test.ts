import { crc32 } from 'node:zlib'
import t from 'tap'
import type { StoredEntry } from '../../../supervisor/broker/store/entry.ts'
import { markRemoved, type Segment, setCounts, writeSegments } from '../../../supervisor/broker/store/segment.ts'
import { decodeIndex, encodeIndex } from '../../../supervisor/broker/store/segment-index.ts'
import { message, must } from './helpers.ts'

function segmentOf(count: number): Segment {
  const entries = Array.from({ length: count }, (_, position) => {
    const counts = { deliveryCount: 0, acquiredCount: 0 }
    return { position, message: message('body'), expiresAt: 0, ...counts } as StoredEntry
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
  const read = decodeIndex(segment, raw)
  t.same(countsOf(read), [
    [5, 1, 2],
    [6, 0, 2 ** 32 - 1],
    [299, 200, 0],
  ])
  t.equal(read.live, 299)
  t.same(read.removed, segment.removed)
  t.equal(decodeIndex(segment, encodeIndex(segmentOf(300))).counts, null)
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
  const read = decodeIndex({ queueId: 7, priority: 3, first: 0 }, old)
  t.match(read, { queueId: 7, priority: 3, first: 0, last: 9, count, size, live: 9, liveBytes: 36, volatile: false })
  t.same([...read.removed], [1, 0])
  t.same(countsOf(read), [[8, 3, 0]])
})

function countsOf({ counts, count }: Segment): number[][] {
  const all = Array.from({ length: count }, (_, i) => [i, counts?.[2 * i] ?? 0, counts?.[2 * i + 1] ?? 0])
  return all.filter(([, deliveries, acquired]) => deliveries || acquired)
}
