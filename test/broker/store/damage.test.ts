// Four bytes of the store are others: it starts and has everything, or says that it is damaged, wherever they are.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'amqplib'
import t, { type Test } from 'tap'
import { startBroker } from '../../../supervisor/broker/start.ts'
import { randomFrom } from '../../helpers/random.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { until } from '../../helpers/until.ts'
import { OWNER, startVhost } from '../vhost/helpers.ts'

const DAMAGED = { code: 'WARREN_STORE_DAMAGED' }
const PLACES = Number(process.env.WARREN_PLACES ?? 24)
const SEED = Number(process.env.WARREN_SEED ?? 16)

t.setTimeout(120_000)

t.test('damage where the first message is: the broker says so, and not something else', async (t) => {
  const folder = temporaryFolder(t)
  await fill(folder)
  overwrite(folder, Buffer.from('first message'), 4)
  // Two hours later its head has expired, so the start looks at it.
  const clock = { now: () => Date.now() + 7_200_000 }
  for (const _ of [1, 2]) {
    const errors: unknown[] = []
    const onBroken = (error: unknown) => void errors.push(error)
    const broker = await startBroker({ folder, clock, onBroken }).catch(onBroken)
    t.match(await until(() => errors[0], { what: 'the damage to be found' }), { ...DAMAGED, message: /checksum/ })
    await broker?.close()
  }
})

t.test('damage where nobody has looked before: the broker closes, and says so', async (t) => {
  const folder = temporaryFolder(t)
  await fill(folder)
  overwrite(folder, Buffer.from('large message'), 4)
  const errors: Error[] = []
  const broker = await startBroker({ folder, onBroken: (error) => void errors.push(error) })
  const connection = await connect(broker.url)
  connection.on('error', () => {})
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  channel.get('large').catch(() => {})
  const error = await until(() => errors[0], { what: 'the broker to be broken' })
  t.match(error, { ...DAMAGED, message: /checksum/ })
  await broker.close()
})

t.test(`damage in ${PLACES} places of the file, seed ${SEED}`, { timeout: 5_000 * PLACES }, async (t) => {
  const whole = temporaryFolder(t)
  await fill(whole)
  const raw = readFileSync(join(whole, 'data.mdb'))
  const numbers = randomFrom(SEED)
  const outcomes = { damaged: 0, whole: 0 }
  for (let place = 0; place < PLACES; place++) {
    // The starts of pages are where the structure is.
    const page = Math.floor(numbers() * (raw.length / 4_096))
    const at = page * 4_096 + (place % 2 ? Math.floor(numbers() * 1_023) * 4 : Math.floor(numbers() * 16) * 4)
    const damaged = Buffer.from(raw)
    const kinds = [0, 0xffff_ffff, (raw.readUInt32LE(at) ^ 1) >>> 0, Math.floor(numbers() * 2 ** 32)]
    damaged.writeUInt32LE(kinds[place % 4] as number, at)
    const folder = join(whole, `copy-${place}`)
    mkdirSync(folder)
    for (const name of ['marks', 'store.json']) copyFileSync(join(whole, name), join(folder, name))
    writeFileSync(join(folder, 'data.mdb'), damaged)
    const outcome = await contentsOf(t, folder)
    if (outcome === 'whole' || outcome === 'damaged') outcomes[outcome]++
    else t.fail(`4 bytes at ${at}, ${damaged.readUInt32LE(at)} in place of ${raw.readUInt32LE(at)}: ${outcome}`)
    rmSync(folder, { recursive: true })
  }
  t.equal(outcomes.whole + outcomes.damaged, PLACES, JSON.stringify(outcomes))
})

const QUEUES = Array.from({ length: 20 }, (_, index) => `queue ${index}`)
const COUNT = 20 + 100 + 2

async function fill(folder: string): Promise<void> {
  const broker = await startBroker({ folder })
  const connection = await connect(broker.url)
  const channel = await connection.createConfirmChannel()
  const expiring = { messageTtl: 3_600_000, deadLetterExchange: 'amq.fanout' }
  await channel.assertQueue('first', { durable: true, ...expiring })
  channel.sendToQueue('first', Buffer.from('first message'), { persistent: true })
  await channel.assertQueue('large', { durable: true })
  channel.sendToQueue('large', Buffer.from('large message'.repeat(2_000)), { persistent: true })
  await channel.assertQueue('many', { durable: true })
  for (let number = 0; number < 100; number++) {
    channel.sendToQueue('many', Buffer.from(`message ${number}`), { persistent: true, headers: { number } })
    if (number % 10 === 0) await channel.waitForConfirms()
  }
  for (const queue of QUEUES) {
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    await channel.bindQueue(queue, 'amq.topic', queue)
    channel.sendToQueue(queue, Buffer.alloc(1_000, queue), { persistent: true })
  }
  await channel.waitForConfirms()
  await connection.close()
  await broker.close()
}

/** What a start makes of a store: 'whole' if everything is there, 'damaged' if it says that it is, or what else came. */
async function contentsOf(t: Test, folder: string): Promise<string> {
  const faults: string[] = []
  let broken: { code?: string } | undefined
  let count = 0
  try {
    const onError = (details: object) => void faults.push(JSON.stringify(details))
    const onBroken = (error: Error & { code?: string }) => {
      broken ??= error
    }
    const under = await startVhost(t, { folder, onError, store: { onBroken } })
    try {
      for (const name of ['first', 'large', 'many', ...QUEUES]) {
        const queue = under.vhost.queue(name, OWNER)
        while (queue.get(true)) count++
      }
      await under.store.synced()
    } finally {
      await under.close()
    }
  } catch (error) {
    broken ??= error as { code?: string }
  }
  if (broken) return broken.code === DAMAGED.code ? 'damaged' : `${broken}`
  return count === COUNT && faults.length === 0 ? 'whole' : `${count} of ${COUNT} messages, ${faults}`
}

function overwrite(folder: string, what: Buffer, bytes: number): void {
  const file = join(folder, 'data.mdb')
  const raw = readFileSync(file)
  let found = 0
  for (let at = raw.indexOf(what); at >= 0; at = raw.indexOf(what, at + 1)) {
    raw.fill('?', at, at + bytes)
    found++
  }
  if (found === 0) throw new Error(`expected ${what} in ${file}, found it nowhere`)
  writeFileSync(file, raw)
}
