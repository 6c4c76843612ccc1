import { timeoutProblem } from './consumer-timeout.ts'
import { codeOf, explain } from './explain.ts'
import { openLink } from './link.ts'

/** Answers that no waiting changes: a wrong password, no such virtual host. */
const PERMANENT = new Set(['ACCESS_REFUSED', 'NOT_ALLOWED'])

/**
 * What a broker would refuse of the project, each a sentence, found out before anything is stopped. Nothing, where none
 * of its nodes can be reached: the processes wait for it anyway.
 */
export async function findRefusals(
  urls: readonly string[],
  workers: readonly { name: string; timeout: number }[],
): Promise<string[]> {
  const refusals: string[] = []
  for (const url of urls) {
    try {
      const link = await openLink({ url, name: 'check' })
      const problems = workers.flatMap(({ name, timeout }) => timeoutProblem(name, timeout, link.server) ?? [])
      await link.close()
      return problems
    } catch (error) {
      if (PERMANENT.has(codeOf(error) ?? '')) refusals.push(`AMQP_URL: ${explain(error, url)}.`)
    }
  }
  // A node that is away may be the one that takes it.
  return refusals.length === urls.length ? refusals : []
}
