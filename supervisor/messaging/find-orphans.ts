import type { WorkerPlace } from '../base/dead-letters.ts'
import type { Orphan } from '../base/orphans.ts'
import { codeOf } from './explain.ts'
import type { Link } from './link.ts'
import { readRegistry } from './read-registry.ts'
import type { Entry } from './registry-entries.ts'
import { deadLettersOf, suspectQueue, workQueue } from './topology.ts'

/** An orphan as its name and its place on the broker, before anybody has looked whether it is there. */
export interface OrphanPlace extends Pick<Orphan, 'name' | 'queue' | 'address' | 'worker' | 'declaredAt'> {
  /** Null where a worker of its name goes on with these. */
  readonly deadLetters: string | null
}

/** What was declared and no worker stands for: a queue, or a subscription of a worker that is gone or has another address. */
export function orphanPlaces(entries: readonly Entry[], workers: readonly WorkerPlace[]): OrphanPlace[] {
  const names = new Set(workers.map(({ name }) => name))
  const used = new Set(workers.map((worker) => workQueue(worker.name, worker)))
  const usedDead = new Set(workers.map((worker) => deadLettersOf(worker.name, worker)))
  const found = new Map<string, OrphanPlace>()
  // The latest one says whose it was; a sender says nothing of that.
  for (const entry of [...entries].sort((a, b) => (a.at < b.at ? 1 : -1))) {
    const { kind, name, worker } = entry
    if (kind === 'fanout' && worker === null) continue
    const address = { kind, name }
    const queue = workQueue(worker ?? '', { address, subscription: 'group' }) as string
    if (used.has(queue)) continue
    const known = found.get(queue)
    const dead = deadLettersOf(worker ?? '', { address })
    found.set(queue, {
      name: names.has(queue) ? `queue:${queue}` : queue,
      queue,
      address,
      worker: known?.worker ?? worker,
      declaredAt: known?.declaredAt ?? entry.at,
      deadLetters: usedDead.has(dead) ? null : dead,
    })
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Those in the registry. @param link one that nobody else uses, and that is closed afterwards */
export async function findPlaces(link: Link, workers: readonly WorkerPlace[]): Promise<OrphanPlace[]> {
  return orphanPlaces(await readRegistry(link), workers)
}

/** The orphan with what it holds; undefined where nothing of it is there any more. */
export async function lookAt(link: Link, { deadLetters, ...place }: OrphanPlace): Promise<Orphan | undefined> {
  const queues = [place.queue, suspectQueue(place.queue), deadLetters]
  const [waiting, suspects, dead] = await Promise.all(queues.map((queue) => (queue === null ? null : ask(link, queue))))
  if (!waiting && !suspects && !dead) return undefined
  return {
    ...place,
    waiting: waiting?.messages ?? null,
    suspects: suspects?.messages ?? null,
    dead: dead?.messages ?? null,
    consumers: (waiting?.consumers ?? 0) + (suspects?.consumers ?? 0),
  }
}

/** What a queue holds that is ready, and how many consume it; null where there is none. */
export async function ask(link: Link, queue: string): Promise<{ messages: number; consumers: number } | null> {
  try {
    const { messageCount, consumerCount } = await link.withChannel((channel) => channel.checkQueue(queue))
    return { messages: messageCount, consumers: consumerCount }
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND' && !link.lost.aborted) return null
    throw error
  }
}
