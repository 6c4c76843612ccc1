// The store of version 1, written by the broker of that version, which was killed: fixtures/store/format-1.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { connect } from 'amqplib'
import { open } from 'lmdb'
import t, { type Test } from 'tap'
import { startBroker } from '../../../supervisor/broker/start.ts'
import { OLD_DEFINITION_RANGE } from '../../../supervisor/broker/store/keys.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'

const FIXTURE = resolve(import.meta.dirname, '../../../../test/fixtures/store/format-1')

for (const format of ['{"format":1}', '{"format":2}', '']) {
  t.test(`a store of format 1, with ${format || 'nothing'} in its marker, is opened and written anew`, async (t) => {
    const folder = oldStore(t, format)
    for (const start of [1, 2]) {
      const broker = await startBroker({ folder, onBroken: (error) => t.fail(String(error)) })
      const connection = await connect(broker.url)
      const channel = await connection.createConfirmChannel()
      if (start === 1) {
        const got = await channel.get('quorum')
        t.match(got, { fields: { redelivered: true, routingKey: 'order.new' }, properties: { correlationId: 'c0' } })
        t.equal((await channel.checkQueue('classic')).messageCount, 5)
        await channel.deleteQueue('classic')
      }
      channel.publish('orders é', 'order.new', Buffer.from('new'), { persistent: true })
      channel.publish('by headers', '', Buffer.from('new'), { persistent: true, headers: { name: 'ü' } })
      channel.publish('orders é', 'for.all', Buffer.from('all'), { persistent: true })
      await channel.waitForConfirms()
      t.equal((await channel.checkQueue('quorum')).messageCount, (start === 1 ? 2 : 3) + start, 'its binding is there')
      t.equal((await channel.checkQueue('n'.repeat(200))).messageCount, start, 'a binding with arguments too')
      t.ok((await channel.checkQueue('dead')).messageCount >= start, 'one of two exchanges too')
      if (start === 2) {
        channel.on('error', () => {})
        await t.rejects(channel.checkQueue('classic'), /404/, 'what was deleted stays so')
      }
      await connection.close()
      await broker.close()
    }
    t.equal(readFileSync(join(folder, 'store.json'), 'utf8').trim(), '{"format":2}')
    const database = open({ path: join(folder, 'data.mdb'), noSubdir: true, keyEncoding: 'binary', encoding: 'binary' })
    const [start, end] = OLD_DEFINITION_RANGE
    t.same([...database.getKeys({ start, end })], [], 'nothing is left of format 1')
    await database.close()
  })
}

function oldStore(t: Test, marker: string): string {
  const folder = temporaryFolder(t)
  for (const name of ['data.mdb', 'marks']) {
    writeFileSync(join(folder, name), gunzipSync(readFileSync(join(FIXTURE, `${name}.gz`))))
  }
  writeFileSync(join(folder, 'store.json'), marker)
  return folder
}
