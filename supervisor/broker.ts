// The entry of the embedded broker's process: `node dist/supervisor/broker.js`, as pm2 runs it while AMQP_URL is not set.
import { brokerFolder } from './base/broker-credentials.ts'
import { startBroker } from './broker/start.ts'
import { main, type ProcessContext, type Service } from './process/main.ts'

await main('broker', startBrokerProcess)

async function startBrokerProcess({ config, log, report, fail }: ProcessContext): Promise<Service> {
  const folder = brokerFolder(config.dataDir)
  const { brokerPort: port, brokerConnections: connections } = config
  const limits = connections === undefined ? {} : { connections }
  const broker = await startBroker({ port, folder, limits, log, onBroken: fail })
  log.info({ port: broker.port, folder }, 'listening')
  await report.set({ status: 'ready' })
  return {
    stop: (deadline) => broker.close({ drain: deadline }),
  }
}
