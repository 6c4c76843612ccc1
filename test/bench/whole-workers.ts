// Workers as whole processes: what starts, and what it takes while it runs.
import { fileURLToPath } from 'node:url'
import { compiledProject } from '../helpers/compiled-project.ts'
import type { Teardown } from '../helpers/tmp.ts'
import { type Peer, type PeerOptions, startPeer } from './peers/process.ts'
import type { Handled } from './peers/progress.ts'
import type { Services } from './services.ts'
import { BULLMQ, BY_HAND, PREFETCH, startSide, TUNED, uniqueName, WARREN, workerFile } from './sides.ts'

const ENTRY = fileURLToPath(new URL('../../supervisor/worker.js', import.meta.url))
const BYTES = 256

export interface WholeWorker {
  readonly name: string
  /** Sends so many messages; resolves when all are in its queue. */
  send(count: number): Promise<unknown>
  /** Starts a process; resolves when that is ready. */
  start(t: Teardown, onHandled?: (count: number) => void): Promise<Peer>
}

/** Warren, and what it is compared with; each has started once, so that its queue is there. */
export async function openWholeWorkers(services: Services, t: Teardown): Promise<WholeWorker[]> {
  const { url } = await services.rabbitmq()
  const sender = await startSide(t, TUNED, url)
  const cwd = compiledProject(t, { 'workers/whole.ts': `export { default } from '${workerFile('whole-warren')}'` })

  const warren = wholeWorker(WARREN, 'whole-warren', sender, (queue) => ({
    file: ENTRY,
    args: ['whole'],
    cwd,
    env: { AMQP_URL: url, LOG_LEVEL: 'info', BENCH_QUEUE: queue, BENCH_PREFETCH: String(PREFETCH) },
  }))
  const byHand = wholeWorker(BY_HAND, 'whole-by-hand', sender, (queue) => ({ args: [url, queue, String(PREFETCH)] }))
  const workers = [warren, byHand]
  if (services.has('bullmq')) {
    const redis = (await services.redis()).url
    const options = (queue: string) => ({ args: [redis, queue, String(PREFETCH)] })
    workers.push(wholeWorker(BULLMQ, 'whole-bullmq', await startSide(t, BULLMQ, redis), options))
  }
  for (const worker of workers) await (await worker.start(t)).end()
  return workers
}

function wholeWorker(name: string, file: string, sender: Peer, optionsOf: (queue: string) => PeerOptions): WholeWorker {
  const queue = uniqueName()
  return {
    name,
    send: (count) => sender.call('publish', queue, count, BYTES),
    start(t, onHandled) {
      function onMessage(message: unknown): void {
        const { handled } = message as Partial<Handled>
        if (handled) onHandled?.(handled)
      }
      return startPeer(t, file, { ...optionsOf(queue), ready: 'ready', onMessage })
    },
  }
}

export interface Started {
  readonly process: Peer
  /** Resolves when it has handled so many messages, with the time of that: milliseconds of this process's clock. */
  readonly handled: Promise<number>
}

/** Starts one for so many messages; resolves when it is ready. */
export async function startFor(t: Teardown, worker: WholeWorker, count: number): Promise<Started> {
  let onAll = (_at: number) => {}
  const handled = new Promise<number>((resolve) => {
    onAll = resolve
  })
  const process = await worker.start(t, function onHandled(sofar) {
    if (sofar >= count) onAll(performance.now())
  })
  return { process, handled: Promise.race([handled, process.died]) }
}
