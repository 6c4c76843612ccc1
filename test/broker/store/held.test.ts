import t from 'tap'
import type { Entry, QueueLog } from '../../../supervisor/broker/store/log.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { message, must, open } from './helpers.ts'

const MB = 1_000_000

/** Messages of 1 kB, so that their bytes outweigh their places by far. */
function append(log: QueueLog, from: number, count: number) {
  for (let i = from; i < from + count; i++) log.append(message(`${i} `.padEnd(4_000, 'x')), 0)
}

function numberOf(entry: Entry): number {
  return Number.parseInt(entry.message.body.toString(), 10)
}

for (const returns of ['position', 'fifo'] as const) {
  t.test(`what is handed out keeps its place alone, and what comes back leaves memory (${returns})`, async (t) => {
    const store = await open(temporaryFolder(t), { limits: { totalBytes: 4 * MB } })
    const log = store.openLog(1, { durable: true, returns })
    for (let i = 0; i < 10_000; i += 500) {
      append(log, i, 500)
      await store.synced()
    }
    t.ok(store.heldBytes < 5 * MB, `${store.heldBytes} bytes are held of 40 MB that wait`)

    const out: Entry[] = []
    for (let entry = log.take(); entry; entry = log.take()) {
      out.push(entry)
      if (out.length % 500 === 0) await store.synced()
    }
    t.equal(out.length, 10_000)
    t.ok(store.heldBytes < 10_000 * 500, `${store.heldBytes} bytes are held of 40 MB that are handed out`)
    t.equal(numberOf(must(out[7_777])), 7_777, 'their bytes are read again')

    for (const entry of out) log.giveBack(entry)
    t.equal(log.ready, 10_000)
    t.ok(store.heldBytes < 2 * MB, `${store.heldBytes} bytes are held of 40 MB that came back`)
    for (let i = 0; i < 10_000; i++) {
      const entry = must(log.take())
      if (numberOf(entry) !== i || !entry.redelivered) t.fail(`${numberOf(entry)} came as number ${i}`)
      log.remove(entry)
    }
    t.equal(store.heldBytes, 0)
    await store.close()
  })
}

t.test('queues that nobody uses leave their messages to the disk', async (t) => {
  const store = await open(temporaryFolder(t), { limits: { totalBytes: 2 * MB } })
  const logs = Array.from({ length: 200 }, (_, id) => store.openLog(id + 1, { durable: true }))
  for (const log of logs) {
    append(log, 0, 10)
    await store.synced()
  }
  t.ok(store.heldBytes < 3 * MB, `${store.heldBytes} bytes are held of 8 MB in 200 queues`)
  const [first] = logs
  const entry = must(first?.take())
  t.equal(numberOf(entry), 0)
  // What is handed out does not come a second time with the others of its segment.
  const others: number[] = []
  for (const log of logs.slice(1)) append(log, 10, 5)
  await store.synced()
  for (let next = first?.take(); next; next = first?.take()) others.push(numberOf(next))
  t.same(others, [1, 2, 3, 4, 5, 6, 7, 8, 9])
  await store.close()
})
