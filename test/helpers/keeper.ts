// Owns the RabbitMQ node that a test run shares, from before.ts to after.ts. A process of its own, because tap runs those
// two in processes that end at once. It also ends the node when the run was cut short, so that nothing is left behind.
import { isAlive } from './process.ts'
import { launchRabbitmq } from './rabbitmq.ts'
import { forgetSharedNode, writeSharedNode } from './shared-node.ts'

const runner = Number(process.argv[2])

try {
  const node = await launchRabbitmq()
  writeSharedNode(runner, { url: node.url, environment: node.environment, keeper: process.pid })

  let ending = false
  async function end(): Promise<void> {
    if (ending) return
    ending = true
    forgetSharedNode(runner)
    await node.close()
    process.exit(0)
  }
  process.on('SIGTERM', end)
  // The end of a process that is no child of ours has no event.
  setInterval(() => isAlive(runner) || end(), 1000)
  process.send?.({ ready: node.name }, () => process.disconnect())
} catch (error) {
  process.send?.({ failed: String(error) }, () => process.exit(1))
}
