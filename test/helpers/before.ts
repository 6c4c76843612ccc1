// tap runs this once before all test files: it starts the RabbitMQ node that they share.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { noRabbitmq, rabbitmqRequired } from './broker.ts'
import { RUNNER } from './shared-node.ts'

if (process.env.TEST_AMQP_URL) {
  console.error('The RabbitMQ tests use the broker at TEST_AMQP_URL.')
} else if (noRabbitmq) {
  if (rabbitmqRequired()) throw new Error(noRabbitmq)
  console.error(`${noRabbitmq} All others run on the embedded broker.`)
} else {
  const keeper = fork(fileURLToPath(new URL('keeper.js', import.meta.url)), [String(RUNNER)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
  })
  const [message] = (await Promise.race([
    once(keeper, 'message'),
    once(keeper, 'exit').then(() => [{ failed: 'its keeper ended' }]),
  ])) as [{ ready?: string; failed?: string }]
  keeper.unref()
  if (message.failed) throw new Error(`The RabbitMQ node for the tests could not be started: ${message.failed}`)
  console.error(`The RabbitMQ tests share a private node, ${message.ready}.`)
}
