import { method } from './bytes.ts'
import { type Account, type Client, type Delivery, openClient } from './client.ts'
import type { Dice } from './dice.ts'
import type { Ledger } from './ledger.ts'
import type { Names } from './values.ts'

/** What the load knows of a channel. */
export interface Channel {
  readonly number: number
  isOpen: boolean
  /** Whether it waits for replies at amq.rabbitmq.reply-to. */
  hasReplies: boolean
  /** Deliveries to settle. */
  unacked: bigint[]
}

/** A client of the load, with what it knows. */
export interface Player {
  readonly client: Client
  readonly channels: readonly Channel[]
  /** Resolves when the broker has handled all that was sent, or the connection has ended. */
  barrier(): Promise<void>
}

/** What all players share. */
export interface Stage {
  readonly dice: Dice
  readonly names: Names
  readonly ledger: Ledger
  readonly user: string
  /** Where replies are waited for, as messages have named it. */
  readonly addresses: Buffer[]
  onFault(what: string): void
}

const CHANNELS = 3
/** Only for barriers, so that nothing ends it. */
const BARRIER = 100
/** Of the latest addresses of replies; older ones are nobody's any more. */
const ADDRESSES_MAX = 10

export function openPlayer(stage: Stage, account: Account): Player {
  const { names, ledger, addresses } = stage
  const channels: Channel[] = Array.from({ length: CHANNELS }, (_, i) => {
    return { number: i + 1, isOpen: false, hasReplies: false, unacked: [] }
  })
  const client = openClient(account, { onDelivery, onMethod, onSent: ledger.sent, onFault: stage.onFault })
  client.send(method(BARRIER, 'channel.open'))

  function onDelivery(delivery: Delivery): void {
    const problem = ledger.problem(delivery)
    if (problem) stage.onFault(`${delivery.how} brought ${problem}`)
    const channel = channels[delivery.channel - 1]
    if (delivery.how !== 'basic.return') channel?.unacked.push(delivery.tag)
    const at = delivery.properties.indexOf('amq.rabbitmq.reply-to.')
    if (at < 0) return
    addresses.push(Buffer.from(delivery.properties.subarray(at, at + delivery.properties.readUInt8(at - 1))))
    if (addresses.length > ADDRESSES_MAX) addresses.shift()
  }

  function onMethod(number: number, name: string, payload: Buffer): void {
    const channel = channels[number - 1]
    if (name === 'queue.declare-ok') learn(payload.subarray(5, 5 + payload.readUInt8(4)))
    if (name === 'channel.close' && channel) {
      channel.isOpen = false
      channel.hasReplies = false
      channel.unacked = []
    }
    if (name === 'connection.close' || name === 'channel.close') {
      const code = payload.readUInt16BE(4)
      const text = payload.toString('utf8', 7, 7 + payload.readUInt8(6))
      if (code === 541) stage.onFault(`the broker ended a connection with 541: ${text}`)
    }
  }

  function learn(queue: Buffer): void {
    if (queue.subarray(0, 8).equals(Buffer.from('amq.gen-'))) names.learn(Buffer.from(queue))
  }

  return {
    client,
    channels,
    async barrier() {
      client.resume()
      const answered = client.next(BARRIER, 'basic.qos-ok')
      const before = client.framesSent
      client.send(method(BARRIER, 'basic.qos'))
      // It is part of another frame, which the broker waits for the rest of.
      if (client.framesSent === before) client.cut()
      await answered
    },
  }
}
