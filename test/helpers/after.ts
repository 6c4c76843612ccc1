// tap runs this once after all test files: it ends the RabbitMQ node that before.ts started.
import { isAlive } from './process.ts'
import { readSharedNode } from './shared-node.ts'
import { until } from './until.ts'

const node = readSharedNode()
if (node) {
  process.kill(node.keeper, 'SIGTERM')
  await until(() => !isAlive(node.keeper), { what: 'the RabbitMQ node of the tests to end' })
}
