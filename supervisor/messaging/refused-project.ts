import { claim, OTHER_PROJECT } from './claim.ts'
import { timeoutProblem } from './consumer-timeout.ts'
import { codeOf, explain } from './explain.ts'
import { openLink } from './link.ts'

/** Answers that no waiting changes: a wrong password, no such virtual host, another project's. */
const PERMANENT = new Set(['ACCESS_REFUSED', 'NOT_ALLOWED', OTHER_PROJECT])

/**
 * What a broker would refuse of the project, each a sentence, found out before anything is stopped. Nothing, where none
 * of its nodes can be reached: the processes wait for it anyway.
 */
export async function findRefusals(
  urls: readonly string[],
  project: string,
  workers: readonly { name: string; timeout: number }[],
): Promise<string[]> {
  const refusals: string[] = []
  for (const url of urls) {
    try {
      const link = await openLink({ url, name: 'check' })
      try {
        await claim(link, project)
        return workers.flatMap(({ name, timeout }) => timeoutProblem(name, timeout, link.server) ?? [])
      } finally {
        await link.close()
      }
    } catch (error) {
      if (PERMANENT.has(codeOf(error) ?? '')) refusals.push(`AMQP_URL: ${explain(error, url).replace(/\.$/, '')}.`)
    }
  }
  // A node that is away may be the one that takes it.
  return refusals.length === urls.length ? refusals : []
}
