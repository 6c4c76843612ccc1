import { type FieldValue, type Table, textOf } from '../../amqp/fields.ts'
import { encodeMethod, type Method } from '../../amqp/methods.ts'
import {
  decodeHeaders as decodeHeadersOf,
  decodeProperties,
  replaceReplyTo,
  scanProperties,
} from '../../amqp/properties.ts'
import { precondition, refused, VHOST } from '../errors.ts'
import { MAX_EXPIRES } from '../queues/argument-checks.ts'
import { askedPriority } from '../queues/lanes.ts'
import { typeName } from '../routing/values.ts'
import { inSlices } from '../slices.ts'
import type { Message } from '../store/log.ts'
import { withoutBcc } from './bcc.ts'
import type { Defer } from './channel.ts'
import { type Confirms, createConfirms } from './confirms.ts'
import { encodeContent } from './content.ts'
import type { Wire } from './context.ts'
import { REPLY_TO, replyAddress, replyToken } from './reply-to.ts'
import { notImplemented } from './settling.ts'
import { createTransaction, type Transaction } from './transaction.ts'

// Bits of the property flags (AMQP 0-9-1, 4.2.6.1).
const REPLY_TO_BIT = 1 << 9
const USER_ID_BIT = 1 << 4

/** The part of a channel that takes messages: `basic.publish`, and when they are safe. */
export interface Publishing {
  /** @throws AmqpError if nothing can be published there: before the content comes */
  check(method: Method<'basic.publish'>): void
  publish(method: Method<'basic.publish'>, properties: Buffer, body: Buffer): void
  confirmSelect(): void
  /** Publications wait for the commit from now on. */
  txSelect(): void
  /**
   * The steps that publish what waits for them. They return false if a queue refused something.
   * @param onRouted called for each publication, with the number of queues that it is for
   */
  commit(onRouted: (queues: number) => void): Generator<void, boolean>
  rollback(): void
  close(): void
}

/** @param ownReplyToken where the channel itself waits for replies */
export function createPublishing(
  channel: number,
  wire: Wire,
  defer: Defer,
  ownReplyToken: () => string | undefined,
): Publishing {
  const { vhost, replies, slices } = wire.context
  let confirms: Confirms | undefined
  let transaction: Transaction | undefined

  function giveBack({ exchange, routingKey }: Method<'basic.publish'>, properties: Buffer, body: Buffer): void {
    const why = { replyCode: 312, replyText: 'NO_ROUTE', exchange, routingKey }
    const method = encodeMethod(channel, { name: 'basic.return', ...why })
    wire.write(encodeContent(channel, method, withoutBcc(properties), body, wire.frameMax))
  }

  function withReplyAddress(properties: Buffer): Buffer {
    if (decodeProperties(properties).replyTo !== REPLY_TO) return properties
    const token = ownReplyToken()
    if (token === undefined) throw precondition('fast reply consumer does not exist')
    return replaceReplyTo(properties, replyAddress(token))
  }

  function checkUser(properties: Buffer): void {
    const { userId } = decodeProperties(properties)
    if (userId === undefined || userId === wire.user) return
    throw precondition(`user_id property set to '${userId}' but authenticated user was '${wire.user}'`)
  }

  return {
    check({ exchange, immediate }) {
      if (vhost.exchange(exchange).flags.internal) {
        throw refused(`cannot publish to internal exchange '${exchange}' in vhost '${VHOST}'`)
      }
      if (immediate) throw notImplemented('immediate=true')
    },

    publish(method, received, body) {
      const { exchange, routingKey, mandatory } = method
      const flags = received.readUInt16BE(0)
      if (flags & USER_ID_BIT) checkUser(received)
      const properties = flags & REPLY_TO_BIT ? withReplyAddress(received) : received
      const { deliveryMode, priority, expiration, hasHeaders } = scanProperties(properties)
      const ttl = expiration === undefined ? undefined : parseExpiration(expiration)

      let headers: Table | undefined
      let routingKeys = [routingKey]
      const decodeHeaders = () => (headers ??= hasHeaders ? decodeHeadersOf(properties) : undefined)
      if (hasHeaders && properties.includes('CC')) {
        const { CC, BCC } = decodeHeaders() ?? {}
        routingKeys = [routingKey, ...keysOf('CC', CC), ...keysOf('BCC', BCC)]
      }

      const token = exchange === '' ? replyToken(routingKey) : undefined
      const message: Message = {
        exchange,
        routingKey,
        properties,
        body,
        persistent: deliveryMode === 2,
        priority: askedPriority(priority),
        dead: false,
      }
      const size = body.length + properties.length
      if (transaction) return transaction.keep(size, send)
      // What goes to many queues is there before anything else of the connection is handled, which must not overtake it.
      const steps = send()
      if (!steps.next().done) defer('basic.publish', inSlices(slices, {}, steps))

      /** Returns false if a queue refused it. */
      function* send(onRouted?: (queues: number) => void): Generator<void, boolean> {
        const number = confirms?.next()
        const reply = token === undefined ? undefined : replies.get(token)
        if (reply) {
          reply.deliver(message)
          // Nothing is lost: who replies faster than the client reads waits for it.
          if (reply.isStuffed()) wire.hold(new Promise<void>(reply.whenRoom))
          if (number !== undefined) confirms?.settle(number, true)
          return true
        }

        wire.addInFlight(size)
        const publication = { message, routingKeys, headers: decodeHeaders, expiration: ttl }
        try {
          const { reached, steps } = vhost.publish(publication, function settled(isAccepted) {
            wire.addInFlight(-size)
            if (number !== undefined) confirms?.settle(number, isAccepted)
          })
          onRouted?.(reached)
          // A return comes before its confirm: confirms go out at the end of the turn at the earliest.
          if (reached === 0 && mandatory) giveBack(method, properties, body)
          return yield* steps
        } catch (error) {
          // It is not on its way to the disk.
          wire.addInFlight(-size)
          throw error
        }
      }
    },

    confirmSelect() {
      if (transaction) throw precondition('cannot switch from tx to confirm mode')
      confirms ??= createConfirms(channel, wire.write, wire.beforeFlush)
    },

    txSelect() {
      if (confirms) throw precondition('cannot switch from confirm to tx mode')
      transaction ??= createTransaction(wire.context.transactions)
    },

    *commit(onRouted) {
      return transaction ? yield* transaction.commit(onRouted) : true
    },
    rollback: () => transaction?.rollback(),

    close() {
      transaction?.rollback()
      confirms?.close()
    },
  }
}

/** @throws AmqpError 406 in RabbitMQ's words */
function parseExpiration(text: string): number {
  const [, digits, rest] = /^([+-]?\d+)(.*)$/s.exec(text) ?? []
  const value = Number(digits)
  const problem =
    digits === undefined
      ? 'no_integer'
      : rest
        ? `{leftover_string,"${rest}"}`
        : value < 0
          ? `{value_negative,${value}}`
          : value > MAX_EXPIRES
            ? `{value_too_large,${value}}`
            : undefined
  if (problem) throw precondition(`invalid expiration '${text}': ${problem}`)
  return value
}

/** Further routing keys (RabbitMQ, "Sender-selected Distribution"). */
function keysOf(header: 'CC' | 'BCC', value: FieldValue | undefined): string[] {
  if (value === undefined) return []
  if (Array.isArray(value)) return value.map(textOf).filter((key) => key !== undefined)
  throw precondition(`invalid message: {unacceptable_type_in_header,"${header}",${typeName(value)}}`)
}
