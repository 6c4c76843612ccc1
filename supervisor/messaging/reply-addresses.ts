import { REPLY_TO } from './calls.ts'
import { codeOf } from './explain.ts'
import type { Link } from './link.ts'

/** How many addresses of a connection are remembered. */
const MOST = 1_000

export interface ReplyAddresses {
  /**
   * Whether a reply may go there: to a direct reply-to address, or to a queue that is exclusive to another connection. A sender
   * chooses where its reply goes, and must not choose a queue that others share: a worker's, for example.
   */
  allows(address: string, link: Link): boolean | Promise<boolean>
}

export function createReplyAddresses(): ReplyAddresses {
  const known = new WeakMap<Link, Map<string, Promise<boolean>>>()

  return {
    allows(address, link) {
      if (address.startsWith(`${REPLY_TO}.`)) return true
      const addresses = known.get(link) ?? new Map<string, Promise<boolean>>()
      known.set(link, addresses)
      let answer = addresses.get(address)
      if (!answer) {
        if (addresses.size >= MOST) addresses.clear()
        answer = isExclusive(address, link)
        addresses.set(address, answer)
      }
      return answer
    },
  }
}

/** Every broker refuses another connection's exclusive queue by this word, whatever is asked of it. */
async function isExclusive(queue: string, link: Link): Promise<boolean> {
  try {
    await link.withChannel((channel) => channel.checkQueue(queue))
    return false
  } catch (error) {
    return codeOf(error) === 'RESOURCE_LOCKED'
  }
}
