import { CallFailedError, CallLostError, CallTimeoutError, reasonOf } from '../base/errors.ts'
import { ERROR_HEADER } from '../base/message.ts'
import type { Delivered, LinkChannel } from './link-channel.ts'

/** RabbitMQ's direct reply-to: a reply address without a queue (https://www.rabbitmq.com/docs/direct-reply-to). */
export const REPLY_TO = 'amq.rabbitmq.reply-to'

export interface Calls {
  /** Listens for replies on the channel that requests are published on; a no-op from the second time on. */
  listen(channel: LinkChannel): Promise<void>
  /** Resolves with the body of the reply to a request. */
  reply(call: { correlationId: string; address: string; timeoutMs: number }): Promise<Uint8Array>
  /** Rejects one call whose request could not be sent. */
  drop(correlationId: string, error: unknown): void
  /** Rejects all: a lost channel takes its reply address with it. */
  dropAll(reason: string): void
}

interface Waiting {
  address: string
  resolve(body: Uint8Array): void
  reject(error: unknown): void
  timer: NodeJS.Timeout
}

/** Matches replies to calls. Replies come at most once; a call whose reply got lost ends with its timeout. */
export function createCalls(): Calls {
  const waiting = new Map<string, Waiting>()
  const listening = new WeakMap<LinkChannel, Promise<unknown>>()

  function take(correlationId: unknown): Waiting | undefined {
    const call = waiting.get(String(correlationId))
    if (!call) return undefined
    waiting.delete(String(correlationId))
    clearTimeout(call.timer)
    return call
  }

  function onReply(message: Delivered | null): void {
    const call = take(message?.properties.correlationId)
    if (!call || !message) return
    const errorName = message.properties.headers?.[ERROR_HEADER]
    if (errorName === undefined) call.resolve(message.content)
    else call.reject(new CallFailedError(call.address, reasonOf(errorName), message.content.toString()))
  }

  return {
    async listen(channel) {
      const started = listening.get(channel) ?? channel.consume(REPLY_TO, onReply, { noAck: true })
      listening.set(channel, started)
      await started
    },

    reply({ correlationId, address, timeoutMs }) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(correlationId)
          const hint = 'Its handler may still run. Are instances of its worker running, and are there enough of them?'
          reject(new CallTimeoutError(address, timeoutMs, hint))
        }, timeoutMs)
        waiting.set(correlationId, { address, resolve, reject, timer })
      })
    },

    drop(correlationId, error) {
      take(correlationId)?.reject(error)
    },

    dropAll(reason) {
      for (const [id, { address }] of [...waiting]) take(id)?.reject(new CallLostError(address, reason))
    },
  }
}
