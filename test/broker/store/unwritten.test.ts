// A process ended in the midst of a long commit, and the next start finds the disk full.
import { once } from 'node:events'
import { mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'amqplib'
import fc from 'fast-check'
import t from 'tap'
import { obtainCredentials } from '../../../supervisor/base/broker-credentials.ts'
import { startBroker } from '../../../supervisor/broker/start.ts'
import { type Database, type Operation, openDatabase } from '../../../supervisor/broker/store/database.ts'
import { markFolder } from '../../../supervisor/broker/store/format.ts'
import { createWriter, PIECE } from '../../../supervisor/broker/store/redo.ts'
import { readAhead } from '../../../supervisor/broker/store/unwritten.ts'
import { cannotMount as skip, smallDisk } from '../../helpers/small-disk.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { until } from '../../helpers/until.ts'

t.setTimeout(100_000)

const QUEUES = 1_000
const FIRST = Buffer.of(0)
const BEHIND = Buffer.of(0xff)

let known: Operation[] | undefined

t.test(
  'a start without space for an unfinished commit serves what it has, and finishes it later',
  { skip },
  async (t) => {
    const folder = join(smallDisk(t, 24), 'broker')
    mkdirSync(folder)
    await leaveUnfinished(folder, await commitOf(t))
    const fill = join(folder, 'other')
    fillUp(fill)

    const said: string[] = []
    const log = {
      debug() {},
      error: (details: object) => void t.fail(JSON.stringify(details)),
      warn: (_: object, message: string) => void said.push(message),
      info: (_: object, message: string) => void said.push(message),
    }
    let broker = await startBroker({ folder, diskFreeLimit: 0, log })
    t.match(said, ['the last commit is finished once the disk has space'])
    const connection = await connect(broker.url)
    const channel = await connection.createConfirmChannel()
    const got = await channel.get('q7', { noAck: false })
    t.match(got, { content: Buffer.from('message 7') }, 'consumers are served')
    await until(() => said.includes('publishers are blocked'), { what: 'publishers to be blocked' })
    const unblocked = once(connection, 'unblocked')
    const blocked = once(connection, 'blocked')
    channel.sendToQueue('q8', Buffer.from('new'), { persistent: true })
    await blocked
    rmSync(fill)
    await unblocked
    await channel.waitForConfirms()
    if (got) channel.ack(got)
    // Behind the acknowledgement.
    await channel.checkQueue('q7')
    await connection.close()
    await broker.close()

    broker = await startBroker({ folder, diskFreeLimit: 0 })
    const again = await (await connect(broker.url)).createChannel()
    for (let number = 0; number < QUEUES; number++) {
      const message = await again.get(`q${number}`, { noAck: true })
      if (number === 7) t.equal(message, false)
      else if (!message || message.content.toString() !== `message ${number}`) t.fail(`message ${number} is lost`)
    }
    const last = await again.get('q8', { noAck: true })
    t.match(last, { content: Buffer.from('new') })
    await broker.close()
  },
)

t.test('a store that ends before there is space loses nothing', { skip }, async (t) => {
  const folder = join(smallDisk(t, 24), 'broker')
  mkdirSync(folder)
  await leaveUnfinished(folder, await commitOf(t))
  const fill = join(folder, 'other')
  fillUp(fill, 0)
  await t.rejects(startBroker({ folder }), { code: 'WARREN_STORE_FULL', message: /not even its lock/ })
  fillUp(fill)
  for (let start = 0; start < 2; start++) {
    const broker = await startBroker({ folder, diskFreeLimit: 0 })
    await t.rejects(broker.close(), /[Nn]o space|Input.output error/)
  }
  rmSync(fill)
  const broker = await startBroker({ folder, diskFreeLimit: 0 })
  const channel = await (await connect(broker.url)).createChannel()
  t.equal((await channel.checkQueue(`q${QUEUES - 1}`)).messageCount, 1)
  await broker.close()
})

/** Leaves a disk so many bytes. @param left by default enough for small files, and not for a commit */
function fillUp(path: string, left = 65_536): void {
  rmSync(path, { force: true })
  try {
    writeFileSync(path, Buffer.alloc(30 * 2 ** 20))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
  truncateSync(path, statSync(path).size - left)
}

/** What a broker writes for many queues with a message each. */
async function commitOf(t: { teardown(fn: () => unknown): void }): Promise<Operation[]> {
  if (known) return known
  const folder = temporaryFolder(t)
  const broker = await startBroker({ folder })
  const connection = await connect(broker.url)
  const channel = await connection.createConfirmChannel()
  await Promise.all(Array.from({ length: QUEUES }, (_, number) => channel.assertQueue(`q${number}`, { durable: true })))
  for (let number = 0; number < QUEUES; number++) {
    channel.sendToQueue(`q${number}`, Buffer.from(`message ${number}`), { persistent: true })
  }
  await channel.waitForConfirms()
  await connection.close()
  await broker.close()
  const database = openDatabase(folder)
  const operations = [...database.range(FIRST, BEHIND)].map(({ key, value }) => ({
    key: Buffer.from(key),
    value: Buffer.from(value),
  }))
  await database.close()
  if (operations.length <= PIECE) throw new Error(`${operations.length} operations are too few`)
  known = operations
  return operations
}

/** Leaves a store as a process does that ends between a long commit's record and its first piece. */
async function leaveUnfinished(folder: string, operations: readonly Operation[]): Promise<void> {
  const database = openDatabase(folder)
  let writes = 0
  const ending: Database = {
    ...database,
    async write(all) {
      if (writes++ > 0) throw new Error('the process ends')
      await database.write(all)
    },
  }
  await createWriter(ending)
    .write(operations)
    .catch(() => {})
  await database.close()
  markFolder(folder)
  obtainCredentials(folder)
}

t.test('what is not written yet is read as if it were', async (t) => {
  const key = fc.uint8Array({ minLength: 1, maxLength: 2, max: 3 }).map((bytes) => Buffer.from(bytes))
  const value = fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes))
  const operation = fc.record({ key, value: fc.option(value, { nil: undefined }) })
  const operations = fc.array(operation, { maxLength: 20 })
  const database = openDatabase(temporaryFolder(t))
  const show = (items: Iterable<{ key: Buffer; value: Buffer }>) =>
    [...items].map(({ key, value }) => `${key.toString('hex')}=${value.toString('hex')}`)
  await fc.assert(
    fc.asyncProperty(
      operations,
      operations,
      fc.tuple(key, key),
      fc.nat(5),
      async (before, ahead, [one, other], limit) => {
        const all = [...database.keys(FIRST, BEHIND)].map((key) => ({ key: Buffer.from(key), value: undefined }))
        await database.write([...all, ...before])
        const [from, to] = Buffer.compare(one, other) < 0 ? [one, other] : [other, one]
        const view = readAhead(database, ahead)
        const seen = {
          range: show(view.range(from, to)),
          keys: [...view.keys(from, to)].map((found) => found.toString('hex')),
          some: [...view.keys(from, to, limit)].map((found) => found.toString('hex')),
          get: view.get(one)?.toString('hex'),
        }
        await database.write(ahead)
        view.settle()
        for (const now of [database, view]) {
          const written = {
            range: show(now.range(from, to)),
            keys: [...now.keys(from, to)].map((found) => found.toString('hex')),
            some: [...now.keys(from, to, limit)].map((found) => found.toString('hex')),
            get: now.get(one)?.toString('hex'),
          }
          if (JSON.stringify(seen) !== JSON.stringify(written)) throw new Error(JSON.stringify([seen, written]))
        }
      },
    ),
    { numRuns: 200 },
  )
  await database.close()
})
