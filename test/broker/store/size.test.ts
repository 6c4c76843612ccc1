import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openDatabase } from '../../../supervisor/broker/store/database.ts'
import { DATA_FILE } from '../../../supervisor/broker/store/format.ts'
import { embeddedStoreSize, storeSize } from '../../../supervisor/broker/store/size.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'

t.test('the size that the file tells is the one that the database has', async (t) => {
  const folder = temporaryFolder(t)
  t.equal(storeSize(folder), undefined, 'there is none')
  const database = openDatabase(folder)
  const keyOf = (number: number) => Buffer.from(`k${number}`)
  for (let round = 0; round < 5; round++) {
    const operations = Array.from({ length: 300 }, (_, number) => ({
      key: keyOf(number),
      value: (number + round) % 3 ? Buffer.alloc(number * 40) : undefined,
    }))
    await database.write(operations)
    const { size, unused, free } = storeSize(folder) ?? {}
    t.same({ size, unused }, database.space(), `round ${round}`)
    t.ok(round === 0 || (unused ?? 0) > 0)
    t.ok((free ?? 0) > 0)
  }
  await database.close()
  writeFileSync(join(folder, DATA_FILE), 'something else')
  t.equal(storeSize(folder), undefined, 'it is none')
})

t.test('only the embedded broker has a store here', async (t) => {
  const dataDir = temporaryFolder(t)
  const folder = join(dataDir, 'broker')
  mkdirSync(folder)
  await openDatabase(folder).close()
  t.ok(embeddedStoreSize({ amqpUrls: [], dataDir }))
  t.equal(embeddedStoreSize({ amqpUrls: ['amqp://elsewhere'], dataDir }), undefined)
})
