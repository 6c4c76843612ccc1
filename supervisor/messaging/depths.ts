import type { Depth } from '../base/machines.ts'
import type { Link } from './link.ts'
import type { LinkChannel } from './link-channel.ts'

/** Milliseconds for the broker to answer; a quorum queue without a leader does not. */
const ANSWER_TIMEOUT = 2_000

/** Asks a queue what it holds. Undefined: it is not there, or the broker did not answer. */
export type AskDepth = (queue: string) => Promise<Depth | undefined>

/**
 * Passive declarations, which change nothing and are exact at once. Each queue has a channel of its own: the answer to a
 * queue that is not there is the channel's end, and the others need not wait.
 */
export function createDepths(link: Link): AskDepth {
  const channels = new Map<string, Promise<LinkChannel>>()
  const asking = new Map<string, Promise<Depth | undefined>>()

  function channelOf(queue: string): Promise<LinkChannel> {
    let channel = channels.get(queue)
    if (!channel) {
      channel = link.looseChannel(() => channels.delete(queue))
      channel.catch(() => channels.delete(queue))
      channels.set(queue, channel)
    }
    return channel
  }

  return function depth(queue) {
    // Whoever asks while a question has no answer yet gets the same: a second one would wait behind it.
    const answer = asking.get(queue) ?? ask(queue)
    asking.set(queue, answer)
    return new Promise((resolve) => {
      const silence = setTimeout(resolve, ANSWER_TIMEOUT, undefined)
      void answer.then((found) => {
        clearTimeout(silence)
        resolve(found)
      })
    })
  }

  async function ask(queue: string): Promise<Depth | undefined> {
    try {
      const channel = await channelOf(queue)
      const { messageCount, consumerCount } = await channel.checkQueue(queue)
      return { messages: messageCount, consumers: consumerCount }
    } catch {
      return undefined
    } finally {
      asking.delete(queue)
    }
  }
}
