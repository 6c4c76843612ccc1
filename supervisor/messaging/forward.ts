import { NACKED } from '../amqp/amqplib-inside.ts'
import { forwardProperties } from '../amqp/forward-properties.ts'
import { DEAD_UNREADABLE } from '../base/dead-letter-headers.ts'
import { BrokerUnavailableError, PublishRefusedError, reasonOf, UnroutableError, WarrenError } from '../base/errors.ts'
import type { Headers, Incoming } from '../base/message.ts'
import { declare } from './declare.ts'
import { codeOf } from './explain.ts'
import type { Link } from './link.ts'
import type { PublishingChannel } from './link-channel.ts'
import type { Outgoing, Publisher } from './publisher.ts'
import type { Declaration } from './topology.ts'

/**
 * A copy of a message, for its next attempt or among the dead letters, can't be encoded, or the broker refuses it by the end of
 * its channel: the same copy never gets through, one without what the message came with may.
 */
export class CopyRefusedError extends WarrenError {
  constructor(id: string, reason: string, options?: ErrorOptions) {
    super('WARREN_COPY_REFUSED', `No copy of message '${id}' can be sent: ${reason}`, options)
  }
}

/** The parts kept when a message is republished. */
export type Forwarded = Pick<Incoming, 'id' | 'body' | 'properties' | 'raw'>

export interface ForwardOptions {
  /** Replace the message's own of the same names; one that is undefined only goes. */
  headers: Headers
  /** Without anything that the message came with but its body. */
  bare: boolean
  /** What to declare where nobody takes it. */
  topology: () => Declaration[]
}

export interface Forwarder {
  /**
   * Publishes a message once more, as it came but for some headers.
   * @throws CopyRefusedError where it can't be encoded, or the broker refuses it: only without what it came with another try helps
   */
  forward(
    message: Forwarded,
    to: Pick<Outgoing, 'exchange' | 'routingKey' | 'address'>,
    options: ForwardOptions,
  ): Promise<void>
}

/** What may go over the present connection; throws while there is none. */
export type Connected = () => { readonly link: Link; readonly channel: PublishingChannel }

/** Properties that would make a copy expire, be refused, or answered once more; a copy is always persistent. */
const DROPPED_PROPERTIES = new Set(['expiration', 'userId', 'replyTo', 'deliveryMode', 'headers'])
/** Headers that would send a copy elsewhere, and brokers' own notes. */
const DROPPED_HEADERS = /^(CC|BCC|x-death|x-(first|last)-death-(exchange|queue|reason)|x-(delivery|acquired)-count)$/
/** What a broker answers by the end of a channel when it does not take one message. */
const REFUSALS = new Set([
  'PRECONDITION_FAILED',
  'NOT_IMPLEMENTED',
  'CONTENT_TOO_LARGE',
  'INTERNAL_ERROR',
  'SYNTAX_ERROR',
])

export function createForwarder(publisher: Publisher, connected: Connected): Forwarder {
  /** Bodies of messages that were on their way when the broker ended the channel because of one: each goes alone from now on. */
  const suspected = new WeakSet<Buffer>()

  async function forward(...[message, to, options]: Parameters<Forwarder['forward']>): Promise<void> {
    const { link, channel } = connected()
    const outgoing = { ...copyOf(message, options, channel.mostProperties), ...to }
    const isSuspected = suspected.has(message.body)
    try {
      await send(outgoing, link)
    } catch (error) {
      if (!(error instanceof UnroutableError)) throw named(error, link, message, isSuspected)
      await declare(connected().link, options.topology())
      await send(outgoing, connected().link)
    }
  }

  async function send(outgoing: Outgoing, link: Link): Promise<void> {
    if (suspected.has(outgoing.body)) await sendAlone(outgoing, link)
    else await publisher.publish(outgoing)
  }

  /** By its name, as far as it is the message's fault: a broker may also end the whole connection because of it. */
  function named(error: unknown, link: Link, { id, body }: Forwarded, isSuspected: boolean): unknown {
    const isRefusal = link.lost.aborted && REFUSALS.has(codeOf(link.lost.reason) ?? '')
    if (isRefusal) suspected.add(body)
    const isFault = !(error instanceof WarrenError) || (isRefusal && isSuspected)
    return isFault ? new CopyRefusedError(id, reasonOf(error), { cause: error }) : error
  }

  return { forward }
}

/** Over a channel of its own, whose end takes nobody else along. */
async function sendAlone(message: Outgoing, link: Link): Promise<void> {
  let isReturned = false
  try {
    await link.withConfirmChannel(async function publishAlone(channel) {
      channel.on('return', () => {
        isReturned = true
      })
      await new Promise<void>((resolve, reject) => {
        channel.send(message, message.body, (error) => (error ? reject(refusal(error, message)) : resolve()))
      })
    })
  } catch (error) {
    if (!link.lost.aborted) throw error
    throw new BrokerUnavailableError(reasonOf(link.lost.reason), { cause: error })
  }
  if (isReturned) throw new UnroutableError(message.address, message.unroutable ?? '')
}

/** A nack is the queue's answer for now, and nothing that the copy is to blame for. */
function refusal(error: Error, { address }: Outgoing): Error {
  return error.message === NACKED ? new PublishRefusedError(address) : error
}

function copyOf(
  { id, body, properties, raw }: Forwarded,
  { headers, bare }: ForwardOptions,
  most: number,
): Omit<Outgoing, 'exchange' | 'routingKey' | 'address'> {
  const unroutable = 'It was deleted meanwhile.'
  const before = bare ? {} : without(properties.headers, (name) => DROPPED_HEADERS.test(name))
  const kept = bare ? {} : without(properties, (name) => DROPPED_PROPERTIES.has(name))
  const own = { messageId: id, headers: { ...before, ...headers }, persistent: true, mandatory: true } as const
  const copy = { body, properties: { ...kept, ...own }, unroutable, outlastsAlarm: true }
  if (!raw || most === 0) return copy
  const isDropped = (name: string) => DROPPED_HEADERS.test(name)
  const forwarding = { headers: headers as never, isDropped, bare, messageId: id, most, leftOut: DEAD_UNREADABLE }
  return { ...copy, raw: forwardProperties(raw, forwarding) }
}

/** What has to change of some headers to become others: undefined for those that go. */
export function changesOf(before: Headers, after: Headers): Headers {
  const gone = Object.keys(before).filter((name) => !Object.hasOwn(after, name))
  const known = new Map(Object.entries(before))
  const changed = Object.entries(after).filter(([name, value]) => known.get(name) !== value)
  return Object.fromEntries([...gone.map((name) => [name, undefined]), ...changed])
}

function without(fields: Headers, isOut: (name: string) => boolean): Headers {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !isOut(name)))
}
