import t from 'tap'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { message, open } from './helpers.ts'

t.test('what waits for the disk counts with its properties, in all queues together', async (t) => {
  const store = await open(temporaryFolder(t))
  const logs = Array.from({ length: 50 }, (_, i) => store.openLog(i + 1, { durable: true }))
  const properties = Buffer.alloc(100_000)
  let count = 0
  // In one turn, as from many connections: no commit can take it up.
  while (!store.isBusy() && count < 1_000) {
    logs[count++ % logs.length]?.append(message('', { properties }), 0)
  }
  t.ok(count > 50 && count < 100, `${count} of 100 kB each`)
  const calm = new Promise<void>((resolve) => store.whenCalm(resolve))
  await calm
  t.notOk(store.isBusy())
  await store.close()
})

t.test('what needs no disk makes nobody wait', async (t) => {
  const store = await open(temporaryFolder(t))
  const log = store.openLog(1, { durable: false })
  for (let i = 0; i < 1_000; i++) {
    log.append(message(Buffer.alloc(100_000), { persistent: false }), 0)
    const entry = log.take()
    if (entry) log.remove(entry)
  }
  t.notOk(store.isBusy())
  await store.close()
})
