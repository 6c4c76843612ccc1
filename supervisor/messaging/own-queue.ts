import { reasonOf } from '../base/errors.ts'
import { CONSUMER_TIMEOUT_ARGUMENT } from './consumer-timeout.ts'
import { declareOn } from './declare.ts'
import { deliveryBinding } from './delay.ts'
import { codeOf } from './explain.ts'
import type { Link } from './link.ts'
import type { LinkChannel } from './link-channel.ts'
import { subscriptionBindings } from './topology.ts'

/**
 * Declares a process's own subscription to a fanout: it goes away with its connection, and misses what is published meanwhile.
 * @returns the name that the broker gave it
 */
export async function declareOwnQueue(link: Link, fanout: string): Promise<string> {
  // Quorum queues are never a connection's own, so it is a classic one. RabbitMQ 3.12 to 4.2 need the argument on those, 4.3 has
  // no timeout for them and refuses it since 4.3.2, and later versions may have one again: so whoever refuses it does without.
  try {
    return await declare(CONSUMER_TIMEOUT_ARGUMENT)
  } catch (error) {
    const isRefused = codeOf(error) === 'PRECONDITION_FAILED' && /x-consumer-timeout/.test(reasonOf(error))
    if (!isRefused) throw error
    return declare({})
  }

  function declare(args: Record<string, unknown>): Promise<string> {
    return link.withChannel(async function declareWith(channel: LinkChannel) {
      const kind = { exclusive: true, autoDelete: true, durable: false }
      const { queue } = await channel.assertQueue('', { ...kind, arguments: args })
      await declareOn(channel, [deliveryBinding(queue), ...subscriptionBindings(queue, fanout)])
      return queue
    })
  }
}
