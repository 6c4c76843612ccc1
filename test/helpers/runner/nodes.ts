// The RabbitMQ nodes that the files of a run share.
import { noPrivateNode } from '../broker.ts'
import { rabbitmq43 } from '../other-rabbitmq.ts'
import { launchRabbitmq, type RabbitmqNode } from '../rabbitmq.ts'
import { sharing } from '../shared-node.ts'

export interface SharedNodes {
  /** What test files find them by. */
  readonly environment: NodeJS.ProcessEnv
  /** 'RabbitMQ 3.10.8', … */
  readonly names: readonly string[]
  close(): Promise<void>
}

/** Starts one of each kind that is here; they end with this process if not before. */
export async function launchShared(): Promise<SharedNodes> {
  const launching: [string, Promise<RabbitmqNode>][] = []
  if (!noPrivateNode) launching.push(['RabbitMQ', launchRabbitmq()])
  if (!rabbitmq43.skip) launching.push([rabbitmq43.name, rabbitmq43.launch()])
  const settled = await Promise.allSettled(launching.map(([, node]) => node))
  const nodes = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const close = async () => void (await Promise.all(nodes.map((node) => node.close())))
  const failed = settled.find((one) => one.status === 'rejected')
  if (failed) {
    await close()
    throw failed.reason
  }
  return {
    environment: sharing(launching.map(([kind], i) => [kind, nodes[i] as RabbitmqNode])),
    names: nodes.map(({ name }) => name),
    close,
  }
}
