import { setTimeout as pause } from 'node:timers/promises'
import type { Teardown } from '../../helpers/tmp.ts'
import { peakMb, residentMb } from '../measure.ts'
import { type Peer, startPeer } from '../peers/process.ts'
import type { Scenario } from '../scenario.ts'
import { WARREN } from '../sides.ts'
import { withTeardown } from '../teardown.ts'
import { openWholeWorkers, startFor } from '../whole-workers.ts'

const BACKLOG = 1_000_000
/** Milliseconds from its start until an idle one is looked at; in a small run. */
const [IDLE, SHORTLY] = [10_000, 1_000]
/** What a worker's process has in it whatever Warren does. */
const PARTS = { 'Node alone': [], 'Node with zod, pino, amqplib': ['zod', 'pino', 'amqplib'] }
const measure = { unit: 'MB resident', better: 'less' } as const

/** What an instance takes. */
export const memory: Scenario = {
  name: 'memory',
  title:
    `A worker's process without threads: ${IDLE / 1_000} s after it was ready, without work; and at most, while it ` +
    'handles 1,000,000 messages of 256 bytes that wait for it. Beside it: Node alone, and with the libraries only.',
  measures: [
    { name: 'idle', ...measure, targets: [{ value: 60 }] },
    { name: 'with a backlog', ...measure },
  ],
  async open(services, t) {
    const workers = await openWholeWorkers(services, t)
    const whole = workers.map((worker) => ({
      name: worker.name,
      warmUp,

      async sample() {
        const idle = await idleMb(worker.start)
        // How much the others take is for scale, and not worth the minutes.
        if (worker.name !== WARREN) return { idle }
        const count = services.size(BACKLOG)
        await worker.send(count)
        const backlog = await withTeardown(async function startBusy(t) {
          const { process, handled } = await startFor(t, worker, count)
          return peakMb(process.pid, () => handled)
        })
        return { idle, 'with a backlog': backlog }
      },
    }))
    const parts = Object.entries(PARTS).map(([name, args]) => ({
      name,
      warmUp,
      sample: async () => ({ idle: await idleMb((t) => startPeer(t, 'idle', { args, ready: 'ready' })) }),
    }))
    return [...whole, ...parts]

    function idleMb(start: (t: Teardown) => Promise<Peer>): Promise<number> {
      return withTeardown(async function startIdle(t) {
        const { pid } = await start(t)
        await pause(services.shrink > 1 ? SHORTLY : IDLE)
        return residentMb(pid)
      })
    }
  },
}

// A process of its own each time: there is nothing to warm up.
async function warmUp(): Promise<void> {}
