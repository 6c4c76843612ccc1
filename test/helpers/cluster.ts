import { embeddedOnly } from './embedded-only.ts'
import { rabbitmq40, rabbitmq43 } from './other-rabbitmq.ts'
import { type RabbitmqNode, rabbitmqScripts, startRabbitmq } from './rabbitmq.ts'
import { runRabbitmqctl } from './rabbitmq-admin.ts'
import type { Teardown } from './tmp.ts'

/** Three RabbitMQ nodes that only their test knows of, as one broker. */
export interface Cluster {
  /** For test names: 'RabbitMQ 4.0.5'. */
  readonly name: string
  /** Each of them can be stopped, killed and started again. */
  readonly nodes: readonly RabbitmqNode[]
  /** As AMQP_URL lists them. */
  readonly urls: readonly string[]
  /** The replicas of each quorum queue, by name: all of them, and those that are running. */
  replicas(): Promise<Record<string, { members: number; online: number }>>
  /** How many clients are connected to each node; 0 for one that does not run. */
  connections(): Promise<number[]>
}

/** Why there can be no cluster here, or false: made to be tap's `skip` option. */
export const noCluster: string | false =
  embeddedOnly ||
  (newest() || rabbitmqScripts() ? false : 'The tests of a cluster are skipped: rabbitmq-server is not installed.')

// Three nodes share what is one machine: threads that look out for work in a loop are of no use to anybody.
const ERLANG = '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none'

/** Starts a cluster, of the newest RabbitMQ that is here; closed when the test ends. Takes about 20 seconds. */
export async function startCluster(t: Teardown): Promise<Cluster> {
  if (noCluster) throw new Error(noCluster)
  const options = { root: newest(), erlang: ERLANG }
  // Teardowns run in reverse: the first one, whose epmd all of them use, goes last.
  const first = await startRabbitmq(t, options)
  const nodes = [first]
  // One after the other: RabbitMQ 3.10 does not always get two at once into one cluster.
  for (let i = 1; i < 3; i++) nodes.push(await startRabbitmq(t, { ...options, join: first }))

  /** Asks the first node that answers. */
  async function ask<T>(...args: string[]): Promise<T> {
    let last: unknown
    for (const { environment } of nodes) {
      try {
        return JSON.parse(await runRabbitmqctl(environment, '--formatter', 'json', ...args)) as T
      } catch (error) {
        last = error
      }
    }
    throw last
  }

  const { running_nodes: running } = await ask<{ running_nodes: string[] }>('cluster_status')
  if (running.length !== nodes.length) throw new Error(`expected a cluster of three, found ${running.join(', ')}`)

  return {
    name: first.name,
    nodes,
    urls: nodes.map(({ url }) => url),
    async replicas() {
      const queues = await ask<ListedQueue[]>('list_queues', 'name', 'type', 'members', 'online')
      const quorum = queues.filter(({ type }) => /quorum/.test(type))
      return Object.fromEntries(
        quorum.map(({ name, members, online }) => [name, { members: members.length, online: online.length }]),
      )
    },
    async connections() {
      const open = await ask<{ port: number }[]>('list_connections', 'port')
      return nodes.map(({ port }) => open.filter((connection) => connection.port === port).length)
    },
  }
}

interface ListedQueue {
  name: string
  type: string
  members: string[]
  online: string[]
}

/** The folder of the newest RabbitMQ that has one. */
function newest(): string | undefined {
  return [rabbitmq43, rabbitmq40].find(({ skip }) => !skip)?.root
}
