import { BrokerUnavailableError, reasonOf } from '../base/errors.ts'
import { type Link, openLink } from './link.ts'

/**
 * A connection to the first node that takes one.
 * @throws BrokerUnavailableError
 */
export async function openAny(urls: readonly string[], name: string): Promise<Link> {
  let last: unknown
  for (const url of urls) {
    try {
      return await openLink({ url, name })
    } catch (error) {
      last = error
    }
  }
  throw new BrokerUnavailableError(reasonOf(last), { cause: last })
}
