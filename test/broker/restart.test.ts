import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConfirmChannel, connect, type GetMessage } from 'amqplib'
import t, { type Test } from 'tap'
import { type Broker, startBroker } from '../../supervisor/broker/start.ts'
import { removeFolder } from '../helpers/tmp.ts'

const QUORUM = { 'x-queue-type': 'quorum' }

t.test('a dead letter outlives a restart as its message asked for, whatever its first queue has kept', async (t) => {
  const folder = temporary(t)
  await session(t, folder, async (channel) => {
    const deadLetters = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'classic' }
    await channel.assertQueue('quorum', { durable: true, arguments: { ...QUORUM, ...deadLetters } })
    await channel.assertQueue('classic', { durable: true })
    for (const persistent of [true, false]) channel.sendToQueue('quorum', Buffer.from(`${persistent}`), { persistent })
    await channel.waitForConfirms()
    for (let n = 0; n < 2; n++) channel.reject(await get(channel, 'quorum'), false)
    t.equal((await channel.checkQueue('classic')).messageCount, 2)
  })
  await session(t, folder, async (channel) => {
    t.same(
      (await drained(channel, 'classic')).map(({ content }) => String(content)),
      ['true'],
    )
  })
})

t.test('what is durable is there after a restart, and the rest is not', async (t) => {
  const folder = temporary(t)
  await session(t, folder, async (channel) => {
    await channel.assertExchange('orders', 'topic', { durable: true, alternateExchange: 'lost' })
    await channel.assertExchange('lost', 'fanout', { durable: true })
    await channel.assertExchange('fleeting', 'direct', { durable: false })
    await channel.assertQueue('kept', { durable: true, arguments: QUORUM })
    await channel.assertQueue('stray', { durable: true })
    await channel.assertQueue('gone', { durable: false })
    await channel.assertQueue('own', { durable: true, exclusive: true })
    await channel.bindQueue('kept', 'orders', 'order.*')
    await channel.bindQueue('stray', 'lost', '')
    for (let n = 0; n < 5; n++) channel.publish('orders', 'order.new', Buffer.from(`kept ${n}`), { persistent: true })
    channel.publish('orders', 'nobody', Buffer.from('stray'), { persistent: true, headers: { a: [1, { b: true }] } })
    channel.sendToQueue('stray', Buffer.from('transient'), { persistent: false })
    await channel.waitForConfirms()
    const [first, second] = [await get(channel, 'kept'), await get(channel, 'kept')]
    channel.ack(first)
    t.equal(second.content.toString(), 'kept 1')
    // An answer on the same channel: the acknowledgement before it has arrived.
    await channel.checkQueue('kept')
  })

  await session(t, folder, async (channel) => {
    const kept = await drained(channel, 'kept')
    t.same(
      kept.map(({ content, fields }) => [content.toString(), fields.redelivered]),
      [
        ['kept 1', true],
        ['kept 2', false],
        ['kept 3', false],
        ['kept 4', false],
      ],
      'in order, without the one that was acknowledged',
    )
    t.equal(kept[0]?.properties.headers?.['x-delivery-count'], 1)
    const stray = await drained(channel, 'stray')
    t.same(
      stray.map(({ content }) => content.toString()),
      ['stray'],
    )
    t.same(stray[0]?.properties.headers, { a: [1, { b: true }] })
    channel.publish('orders', 'order.new', Buffer.from('again'), { persistent: true })
    await channel.waitForConfirms()
    t.equal((await get(channel, 'kept')).content.toString(), 'again', 'the binding is there')
  })

  await session(t, folder, async (channel, broker) => {
    for (const queue of ['gone', 'own'])
      await t.rejects(
        withChannel(broker, (c) => c.checkQueue(queue)),
        /404/,
        queue,
      )
    await t.rejects(
      withChannel(broker, (c) => c.checkExchange('fleeting')),
      /404/,
    )
    await channel.deleteQueue('kept')
    await channel.deleteExchange('orders')
  })

  await session(t, folder, async (_channel, broker) => {
    await t.rejects(
      withChannel(broker, (c) => c.checkQueue('kept')),
      /404/,
      'what was deleted stays so',
    )
    await t.rejects(
      withChannel(broker, (c) => c.checkExchange('orders')),
      /404/,
    )
  })
})

t.test('the credentials are made once, and are for the owner alone', async (t) => {
  const folder = temporary(t)
  const urls: string[] = []
  for (let start = 0; start < 2; start++) {
    const broker = await startBroker({ folder })
    urls.push(new URL(broker.url).password)
    await broker.close()
  }
  t.equal(urls[0], urls[1])
  t.ok((urls[0] as string).length >= 32)
  const file = join(folder, 'credentials.json')
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(readFileSync(file, 'utf8'), urls[0] as string)
})

t.test('a folder is for one broker at a time', async (t) => {
  const folder = temporary(t)
  const broker = await startBroker({ folder })
  t.teardown(() => broker.close())
  await t.rejects(startBroker({ folder }), { code: 'WARREN_STORE_LOCKED', message: new RegExp(folder) })
  await t.rejects(startBroker({ port: broker.port }), { code: 'WARREN_BROKER_PORT' })
})

t.test('a damaged store is told, and never taken for an empty one', async (t) => {
  const folder = temporary(t)
  await session(t, folder, async (channel) => {
    await channel.assertQueue('kept', { durable: true })
    channel.sendToQueue('kept', Buffer.alloc(100_000), { persistent: true })
    await channel.waitForConfirms()
  })
  const file = join(folder, 'data.mdb')
  writeFileSync(file, readFileSync(file).subarray(0, 8192))
  await t.rejects(startBroker({ folder }), { code: 'WARREN_STORE_DAMAGED', message: new RegExp(folder) })
})

function temporary(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'warren-restart-'))
  t.teardown(() => removeFolder(folder))
  return folder
}

/** Starts a broker on the folder for the time of an action. */
async function session(
  t: Test,
  folder: string,
  action: (channel: ConfirmChannel, broker: Broker) => Promise<void>,
): Promise<void> {
  const broker = await startBroker({ folder, onBroken: (error) => t.fail(String(error)) })
  const connection = await connect(broker.url)
  // The broker says goodbye to whoever is still there.
  connection.on('error', () => {})
  try {
    await action(await connection.createConfirmChannel(), broker)
  } finally {
    await broker.close()
  }
}

async function withChannel(broker: Broker, action: (channel: ConfirmChannel) => Promise<unknown>): Promise<void> {
  const connection = await connect(broker.url)
  try {
    const channel = await connection.createConfirmChannel()
    channel.on('error', () => {})
    await action(channel)
  } finally {
    await connection.close()
  }
}

async function get(channel: ConfirmChannel, queue: string): Promise<GetMessage> {
  const message = await channel.get(queue)
  if (!message) throw new Error(`expected a message in ${queue}, found none`)
  return message
}

async function drained(channel: ConfirmChannel, queue: string): Promise<GetMessage[]> {
  const found: GetMessage[] = []
  for (;;) {
    const message = await channel.get(queue)
    if (!message) return found
    found.push(message)
    channel.ack(message)
  }
}
