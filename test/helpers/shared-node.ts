import type { RabbitmqNode } from './rabbitmq.ts'

/** How test files find a node that their run shares. */
export interface SharedNode {
  url: string
  /** For `privateAdmin`. */
  environment: NodeJS.ProcessEnv
}

/** Set by run.ts for the test files, and for what they start. */
const VARIABLE = 'WARREN_SHARED_NODES'

/** The run's node of a kind of broker, by the kind's name; undefined for a file that is run by hand. */
export function sharedNode(kind: string): SharedNode | undefined {
  const shared = new Map(JSON.parse(process.env[VARIABLE] ?? '[]') as [string, SharedNode][])
  return shared.get(kind)
}

/** What has test files find these nodes, each with its kind's name. */
export function sharing(nodes: readonly (readonly [kind: string, RabbitmqNode])[]): NodeJS.ProcessEnv {
  return { [VARIABLE]: JSON.stringify(nodes.map(([kind, { url, environment }]) => [kind, { url, environment }])) }
}
