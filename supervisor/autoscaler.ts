// The entry of the autoscaler's process: `node dist/supervisor/autoscaler.js`, as pm2 runs it, once a machine.
import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { StartupError } from './base/errors.ts'
import type { WorkerSummary } from './base/fleet.ts'
import { projectMark } from './base/project-mark.ts'
import { ceilingProblem } from './base/scale.ts'
import { listSources } from './base/sources.ts'
import { openMachines } from './messaging/machines.ts'
import { deadLettersOf, queuesOf } from './messaging/topology.ts'
import { main, type ProcessContext, type Service } from './process/main.ts'
import { workersOf } from './process/workers.ts'
import { type Autoscale, autoscale } from './scaling/autoscale.ts'
import { trackInstances } from './scaling/fleet.ts'
import { openAsleep, watchPins } from './scaling/notes.ts'
import { connectPm2 } from './scaling/pm2.ts'
import { ownInstances } from './scaling/project.ts'
import { heartbeatOf, viewOf, type WorkerQueues } from './scaling/view.ts'

const NAME = 'autoscaler'

await main(NAME, startAutoscaler, { loads: (root) => listSources(root, 'workers').map(({ compiled }) => compiled) })

async function startAutoscaler({ config, log, report, root }: ProcessContext): Promise<Service> {
  const described = workersOf(root)
  const workers = await described.sound()
  for (const { name, reason } of await described.broken()) log.error({ worker: name, reason }, 'a worker is not scaled')
  const pm2 = await connectPm2({ launch: false })
  if (!pm2)
    throw new StartupError('WARREN_PM2', 'Expected pm2 to run, found none: the autoscaler has nothing to scale.')

  const host = hostname()
  // The same after a restart; and two pm2 daemons of one machine are two machines.
  const id = `${host}-${createHash('sha256').update(`${process.env.PM2_HOME} ${root}`).digest('hex').slice(0, 8)}`
  const ceiling = config.maxInstances
  let scaler: Autoscale | undefined
  const instances = await trackInstances(
    pm2,
    (all) => ownInstances(all, root),
    () => scaler?.onChange(),
    (name) => scaler?.letGo(name),
  )
  const pins = watchPins(config.dataDir, (error) => log.error({ reason: error.message }, 'the pins can not be read'))
  const machine = { id, host, ceiling, workers, instances, pins }
  const machines = openMachines({
    urls: config.amqpUrls,
    name: NAME,
    project: projectMark(root),
    log,
    heartbeat: () => heartbeatOf({ ...machine, scaler }),
    view: () => viewOf({ ...machine, scaler, machines, queuesOf: queuesByContent }),
    onState: tell,
  })
  scaler = autoscale({
    ...machine,
    queuesOf: (worker) => queuesOf(worker.name, worker),
    pm2,
    others: () => machines.others,
    depth: machines.depth,
    asleep: openAsleep(config.dataDir),
    log,
  })
  const problem = ceilingProblem(workers, ceiling)
  if (problem) log.warn(problem)
  let stopping = false

  function tell(): void {
    const { status, ...why } = machines.state
    if (!stopping) void report.set({ status: status === 'ready' ? 'ready' : 'waiting', ...why })
  }

  return {
    async stop() {
      stopping = true
      await scaler?.close()
      await machines.close()
      await pm2.disconnect()
    },
  }
}

function queuesByContent(worker: WorkerSummary): WorkerQueues {
  const [work = null, suspects = null] = queuesOf(worker.name, worker)
  return { work, suspects, dead: deadLettersOf(worker.name, worker) }
}
