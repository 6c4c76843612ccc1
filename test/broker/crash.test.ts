// The broker is killed under load, at random moments, and has to keep what it promised. WARREN_CRASHES is how often;
// `npm run test:crash` does it 50 times.
import { type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib'
import t from 'tap'
import { type BrokerProcess, startAndKill, startBrokerProcess } from '../helpers/broker-process.ts'
import { collect } from '../helpers/collect.ts'
import {
  type Book,
  type Books,
  bodyOf,
  declareTopology,
  EXCHANGE,
  newBooks,
  QUEUES,
  type QueueName,
  sendMarker,
  startLoad,
} from '../helpers/crash-load.ts'
import { randomFrom } from '../helpers/random.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

// @counts-messages

const CRASHES = Number(process.env.WARREN_CRASHES ?? 5)
const SEED = Number(process.env.WARREN_SEED ?? Date.now() % 1_000_000)

// tap's own limit of 30 seconds holds where the file is run by hand.
t.setTimeout(CRASHES * 20_000)

t.test(`killed ${CRASHES} times under load`, { timeout: CRASHES * 20_000 }, async (t) => {
  t.comment(`WARREN_SEED=${SEED}`)
  const random = randomFrom(SEED)
  const folder = temporaryFolder(t)
  const books = newBooks()
  let broker: BrokerProcess = await startBrokerProcess({ folder })
  t.teardown(() => broker.kill())
  const { port } = broker
  await declareTopology(broker.url)

  for (let crash = 1; crash <= CRASHES; crash++) {
    // Without consumers the messages outgrow what the broker keeps in memory.
    const consume = random() < 0.7
    const gone = await startLoad(broker.url, books, { name: String(crash), consume, random })
    await new Promise((resolve) => setTimeout(resolve, random() * 1_000))
    await broker.kill()
    await gone()
    if (random() < 0.3) await startAndKill({ folder, port }, random() * 300)
    broker = await startBrokerProcess({ folder, port })
    const faults = await inspect(broker.url, books, crash, random)
    t.same(faults.slice(0, 20), [], `after crash ${crash} ${describe(books)}`)
  }
})

/** Looks at what is there, and acknowledges most of it. @returns what should not be */
async function inspect(url: string, books: Books, crash: number, random: () => number): Promise<string[]> {
  const faults: string[] = []
  const connection = await connect(url)
  for (const queue of QUEUES) {
    const channel = await connection.createConfirmChannel()
    const messages = await readAll(channel, queue)
    faults.push(...compare(queue, messages, books[queue]))
    settle(channel, messages, books[queue], random)
    await new Promise<void>((resolve, reject) => {
      sendMarker(channel, (error) => (error ? reject(error) : resolve()))
    })
    for (const id of books[queue].acked) books[queue].settled.add(id)
    await channel.close()
  }
  faults.push(...(await checkBindings(await connection.createConfirmChannel(), books, `probe${crash}-0`)))
  await connection.close()
  return faults
}

async function readAll(channel: ConfirmChannel, queue: QueueName): Promise<readonly ConsumeMessage[]> {
  const { messageCount } = await channel.checkQueue(queue)
  const messages = collect<ConsumeMessage>(`messages in ${queue}`)
  // All of them, before any is settled: without a prefetch a quorum queue hands out 2,000.
  await channel.prefetch(65_535)
  const { consumerTag } = await channel.consume(queue, (message) => message && messages.push(message))
  await messages.reach(messageCount)
  await channel.cancel(consumerTag)
  return messages.items
}

function compare(queue: QueueName, messages: readonly ConsumeMessage[], book: Book): string[] {
  const faults: string[] = []
  const present = new Set<string>()
  const lastOf = new Map<string, number>()
  for (const { content, fields, properties } of messages) {
    const id: string = properties.messageId
    const [publisher = '', number] = id.split('-')
    const fault = (what: string) => faults.push(`${queue}: ${id} ${what}`)
    if (!book.published.has(id)) fault('was never published')
    if (!content.equals(bodyOf(id))) fault('has another body')
    if (present.has(id)) fault('is there twice')
    if (book.settled.has(id)) fault('has come back after its acknowledgement was durable')
    if (Number(number) < (lastOf.get(publisher) ?? -1)) fault(`comes behind ${publisher}-${lastOf.get(publisher)}`)
    if (book.received.has(id) && !fields.redelivered) fault('was delivered before and is not marked so')
    const count = properties.headers?.['x-delivery-count'] ?? 0
    if (count < (book.counts.get(id) ?? 0)) fault(`had delivery count ${book.counts.get(id)} and has ${count}`)
    present.add(id)
    lastOf.set(publisher, Number(number))
  }
  for (const id of book.confirmed) {
    if (!present.has(id) && !book.acked.has(id)) faults.push(`${queue}: ${id} was confirmed and is lost`)
  }
  return faults
}

/** Acknowledges nine of ten; the others are there at the next look too. */
function settle(channel: ConfirmChannel, messages: readonly ConsumeMessage[], book: Book, random: () => number): void {
  for (const message of messages) {
    const id: string = message.properties.messageId
    book.received.add(id)
    if (random() < 0.9) {
      book.acked.add(id)
      channel.ack(message)
    } else {
      book.confirmed.add(id)
      // Its acknowledgement had been under way.
      book.acked.delete(id)
    }
  }
}

/** Sends a message through the exchange, which must be in both queues then: it joins the others. */
async function checkBindings(channel: ConfirmChannel, books: Books, id: string): Promise<string[]> {
  const count = async (queue: QueueName) => (await channel.checkQueue(queue)).messageCount
  const before = { quorum: await count('quorum'), classic: await count('classic') }
  await channel.checkExchange(EXCHANGE)
  channel.publish(EXCHANGE, '', bodyOf(id), { persistent: true, messageId: id })
  await channel.waitForConfirms()

  const faults: string[] = []
  for (const queue of QUEUES) {
    books[queue].published.add(id)
    books[queue].confirmed.add(id)
    if ((await count(queue)) !== before[queue] + 1) faults.push(`${queue}: its binding is lost`)
  }
  return faults
}

function describe(books: Books): string {
  const sizes = QUEUES.map((queue) => {
    const { confirmed, received, settled } = books[queue]
    return `${queue}: ${confirmed.size} confirmed, ${received.size} received, ${settled.size} settled`
  })
  return `(so far ${sizes.join('; ')})`
}
