// What makes something throw costs its message, which is kept, and nobody else.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { connect, type GetMessage } from 'amqplib'
import t from 'tap'
import { SET_ASIDE } from '../../supervisor/base/set-aside.ts'
import { type Broker, startBroker } from '../../supervisor/broker/start.ts'
import type { Entry } from '../../supervisor/broker/store/log.ts'
import { openDeadLetters } from '../../supervisor/messaging/dead-letters.ts'
import { temporaryFolder } from '../helpers/tmp.ts'
import { until } from '../helpers/until.ts'
import { OWNER, startVhost } from './vhost/helpers.ts'

const nothing = async () => {}

t.test('a start gets past a message that can not be sent on', async (t) => {
  // The broker of format 1 took a dead letter routing key of 300 bytes, and then ended, start after start.
  const folder = temporaryFolder(t)
  const fixture = resolve(import.meta.dirname, '../../../test/fixtures/store/format-1')
  for (const name of ['data.mdb', 'marks']) {
    writeFileSync(join(folder, name), gunzipSync(readFileSync(join(fixture, `${name}.gz`))))
  }
  writeFileSync(join(folder, 'store.json'), '{"format":1}')
  const errors: { details: object; message: string }[] = []
  const error = (details: object, message: string) => void errors.push({ details, message })
  const log = { debug() {}, info() {}, warn() {}, error }

  for (const start of [1, 2]) {
    const broker: Broker = await startBroker({ folder, log, onBroken: (broken) => t.fail(String(broken)) })
    const connection = await connect(broker.url)
    const channel = await connection.createChannel()
    const left = async () => (await channel.checkQueue('long key')).messageCount
    await until(async () => (await left()) === 0, { what: 'the message to leave its queue' })
    const message = await channel.get(SET_ASIDE)
    t.match(message, { content: Buffer.from('long key'), fields: { exchange: '', routingKey: 'long key' } })
    t.equal(errors.length, 1, 'told once')
    channel.nack(message as GetMessage)
    const dead = openDeadLetters({
      urls: [broker.url],
      name: 't',
      project: 'p',
      workers: async () => [],
      redrive: nothing,
    })
    const { deadLetters } = await dead.list({ limit: 10 })
    t.match(deadLetters, [{ worker: SET_ASIDE }], 'listed among the dead letters')
    t.equal((await dead.list({ worker: SET_ASIDE, limit: 10 })).deadLetters.length, 1)
    await connection.close()
    await broker.close()
    if (start === 1) {
      t.match(errors[0], { details: { queue: 'long key', position: 0 }, message: /was moved to warren\.set-aside/ })
      t.match(errors[0], { details: { err: /255 bytes, found 300/ } })
    }
  }
})

t.test('a message that can not be delivered is set aside, and the others are delivered', async (t) => {
  const errors: { details: object; message: string }[] = []
  const onError = (details: object, message: string) => void errors.push({ details, message })
  const under = await startVhost(t, { onError })
  under.declare('q')
  const delivered: string[] = []
  const queue = under.vhost.queue('q', OWNER)
  queue.addConsumer({
    tag: 'c',
    priority: 0,
    exclusive: false,
    limit: 10,
    place: 0,
    unacked: 0,
    canTake: () => true,
    deliver(entry: Entry) {
      const body = entry.message.body.toString()
      if (body === 'bad') throw new Error('it has no form on the wire')
      delivered.push(body)
      queue.ack(entry)
    },
    cancel() {},
  })
  await under.publish('', 'q', 1, 'good')
  await under.publish('', 'q', 1, 'bad')
  await under.publish('', 'q', 1, 'good too')
  t.same(delivered, ['good', 'good too'])
  t.equal(under.vhost.queue(SET_ASIDE, OWNER).messageCount, 1)
  t.match(errors, [{ details: { queue: 'q', position: 1, err: /no form on the wire/ }, message: /was moved/ }])
  await under.close()

  const again = await startVhost(t, { folder: under.folder })
  t.equal(again.vhost.queue(SET_ASIDE, OWNER).get(true)?.message.body.toString(), 'bad', 'kept on disk')
  t.equal(again.vhost.queue('q', OWNER).messageCount, 0)
  await again.close()
})

t.test('a message of that queue itself stays there', async (t) => {
  const errors: string[] = []
  const under = await startVhost(t, { onError: (_details, message) => void errors.push(message) })
  under.declare(SET_ASIDE)
  await under.publish('', SET_ASIDE, 1)
  const queue = under.vhost.queue(SET_ASIDE, OWNER)
  const entry = queue.get(false) as Entry
  queue.setAside(entry, new Error('no form on the wire'))
  t.match(errors, [/could not be moved.*stays where it is until the next start/])
  await under.close()
  const again = await startVhost(t, { folder: under.folder })
  t.equal(again.vhost.queue(SET_ASIDE, OWNER).messageCount, 1)
  await again.close()
})
