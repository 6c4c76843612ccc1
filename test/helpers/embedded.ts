import { join } from 'node:path'
import { brokerFolder, brokerUrl, obtainCredentials } from '../../supervisor/base/broker-credentials.ts'
import { freePort } from './ports.ts'
import { type Running, run } from './process.ts'
import type { Broker } from './rabbitmq.ts'
import { type Teardown, temporaryFolder } from './tmp.ts'

const ENTRY = join(import.meta.dirname, '../../supervisor/broker.js')

/** Starts the embedded broker in a process of its own, as pm2 does; it ends with the test. */
export async function startEmbedded(t: Teardown): Promise<Broker> {
  const root = temporaryFolder(t)
  const port = await freePort()
  const env = { PATH: process.env.PATH, DATA_DIR: root, BROKER_PORT: String(port), SHUTDOWN_TIMEOUT: '5s' }
  let running: Running | undefined
  t.teardown(() => running?.end())

  const broker: Broker = {
    name: 'the embedded broker',
    url: brokerUrl(obtainCredentials(brokerFolder(root)), port),
    async start() {
      running = run(process.execPath, [ENTRY], { cwd: root, env })
      await running.outputs(/"msg":"listening"/)
    },
    async stop() {
      await running?.end('SIGTERM')
    },
    async kill() {
      await running?.end('SIGKILL')
    },
  }
  await broker.start()
  return broker
}
