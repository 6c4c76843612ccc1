import { AccessRefusedError, BrokerUnavailableError, reasonOf } from '../base/errors.ts'
import { deniedPermission, explain } from './explain.ts'
import { type Link, openLink } from './link.ts'

/**
 * A connection to the first node that takes one.
 * @throws BrokerUnavailableError
 */
export async function openAny(urls: readonly string[], name: string): Promise<Link> {
  let last: { error: unknown; url: string } | undefined
  for (const url of urls) {
    try {
      return await openLink({ url, name })
    } catch (error) {
      last = { error, url }
    }
  }
  throw new BrokerUnavailableError(last ? explain(last.error, last.url) : 'no URL is given', { cause: last?.error })
}

/** Runs an operation on a connection of its own. @throws BrokerUnavailableError, AccessRefusedError, and as the operation */
export async function withOwnLink<T>(
  urls: readonly string[],
  name: string,
  operation: (link: Link) => Promise<T>,
): Promise<T> {
  const link = await openAny(urls, name)
  try {
    return await operation(link)
  } catch (error) {
    const permission = deniedPermission(error)
    if (permission !== undefined) throw new AccessRefusedError(permission, { cause: error })
    if (link.lost.aborted) throw new BrokerUnavailableError(reasonOf(link.lost.reason), { cause: error })
    throw error
  } finally {
    await link.close()
  }
}
