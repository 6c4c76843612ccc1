import { type Argument, header, type MethodName, method, NOTHING } from './bytes.ts'
import { type Account, type Client, openClient } from './client.ts'

/** A well-behaved client beside the load: publishes with a confirm, fetches, and acknowledges, again and again. */
export interface Witness {
  /** Milliseconds of its longest round. */
  readonly longest: number
  /** Rounds that it has finished. */
  readonly rounds: number
  /** Ends it. Resolves once it is gone. */
  end(): Promise<void>
}

/** What outlives the witness's connection. */
export interface WitnessBook {
  last: number
  /** Confirmed, and no acknowledgement was sent. */
  readonly owed: Set<number>
}

export const WITNESS_QUEUE = 'the witness'
/** Milliseconds between two rounds. */
const PAUSE = 5
const PERSISTENT = Buffer.from([0x10, 0, 2])

/** Ends by itself with its connection. */
export function startWitness(account: Account, book: WitnessBook, onFault: (what: string) => void): Witness {
  let found: number | undefined
  let longest = 0
  let rounds = 0
  let isEnding = false
  const client: Client = openClient(account, {
    onDelivery({ body }) {
      found = body.readUInt32BE(0)
    },
    onMethod(_, name, payload) {
      if (name === 'channel.close' || (name === 'connection.close' && !isEnding))
        onFault(`the witness got ${name}: ${payload.toString('latin1', 7)}`)
    },
    onFault,
  })

  async function ask(name: MethodName, answer: MethodName, values: Record<string, Argument>): Promise<boolean> {
    const answered = client.next(1, answer)
    client.send(method(1, name, values))
    return (await answered) !== undefined
  }

  async function play(): Promise<void> {
    client.send(method(1, 'channel.open'))
    const args = [{ name: Buffer.from('x-queue-type'), tag: 'S', value: Buffer.from('\0\0\0\x06quorum') }]
    await ask('queue.declare', 'queue.declare-ok', { queue: WITNESS_QUEUE, durable: true, arguments: args })
    await ask('confirm.select', 'confirm.select-ok', {})
    while (client.isOpen && !isEnding) {
      const start = performance.now()
      if (!(await playRound())) return
      longest = Math.max(longest, performance.now() - start)
      rounds++
      await new Promise((resolve) => setTimeout(resolve, PAUSE))
    }
  }

  async function playRound(): Promise<boolean> {
    const number = ++book.last
    const body = Buffer.alloc(8)
    body.writeUInt32BE(number)
    const confirmed = client.next(1, 'basic.ack')
    client.send(
      method(1, 'basic.publish', { routingKey: WITNESS_QUEUE }),
      Buffer.concat([header(1, body.length, PERSISTENT), frameOf(body)]),
    )
    if (!(await confirmed)) return false
    book.owed.add(number)
    // What came before it first, also from before a restart.
    while (book.owed.has(number)) {
      found = undefined
      client.send(method(1, 'basic.get', { queue: WITNESS_QUEUE }))
      if (!(await settled())) return false
      if (found === undefined) {
        onFault(`the witness's confirmed messages ${[...book.owed].slice(0, 10)} are lost`)
        book.owed.clear()
      } else book.owed.delete(found)
    }
    client.send(method(1, 'basic.ack', { deliveryTag: 0, multiple: true }))
    return true
  }

  /** Whether the answer to a get has come: a message, or that there is none; a later answer says so too. */
  async function settled(): Promise<boolean> {
    return ask('basic.qos', 'basic.qos-ok', {})
  }

  const played = play()
  return {
    get longest() {
      return longest
    },
    get rounds() {
      return rounds
    },
    async end() {
      isEnding = true
      await played
      client.cut()
      await client.closed
    },
  }
}

function frameOf(body: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.from([3, 0, 1, 0, 0, 0, body.length]), body, Buffer.from([0xce])])
  return body === NOTHING ? NOTHING : bytes
}
