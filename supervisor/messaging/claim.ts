import { reasonOf, StartupError } from '../base/errors.ts'
import { declare } from './declare.ts'
import { codeOf } from './explain.ts'
import type { Link } from './link.ts'
import type { Declaration } from './topology.ts'

/** The mark of the project that a virtual host belongs to. Nothing is ever published to it. */
export const PROJECT_EXCHANGE = 'warren.project'

/** The code of the error that says so. */
export const OTHER_PROJECT = 'WARREN_OTHER_PROJECT'

/** The id is in an argument that brokers compare at each declaration: there can be only one. */
export function markTopology(project: string): Declaration {
  const options = { durable: true, arguments: { 'alternate-exchange': `${PROJECT_EXCHANGE}.${project}` } }
  return { kind: 'exchange', name: PROJECT_EXCHANGE, type: 'fanout', options }
}

/**
 * Marks the virtual host as the project's. A user who may not declare the mark goes without it: whatever else that user may not
 * do is told when it is tried.
 * @throws StartupError with code `WARREN_OTHER_PROJECT` where it belongs to another one
 */
export async function claim(link: Link, project: string): Promise<void> {
  try {
    await declare(link, [markTopology(project)])
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ACCESS_REFUSED' && !link.lost.aborted) return
    if (code !== 'PRECONDITION_FAILED') throw error
    throw otherProject(project, error)
  }
}

function otherProject(project: string, error: unknown): StartupError {
  // «… received 'warren.project.b' but current is 'warren.project.a'»; RabbitMQ writes the value's type, too.
  const owner = /but current is .*?'warren\.project\.([^']*)'/.exec(reasonOf(error))?.[1]
  const found = owner === undefined ? 'another project' : `project '${owner}'`
  const former = owner ?? 'ITS NAME'
  return new StartupError(
    OTHER_PROJECT,
    `The broker's virtual host belongs to ${found}, and this is project '${project}'. Use another virtual host (AMQP_URL), or another ` +
      `DATA_DIR with the embedded broker. If this is the same project under a new name, add "warren": { "project": "${former}" } to ` +
      'package.json.',
    { cause: error },
  )
}
