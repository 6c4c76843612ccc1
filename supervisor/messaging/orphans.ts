import type { WorkerPlace } from '../base/dead-letters.ts'
import { StartupError } from '../base/errors.ts'
import type { Delayed, Orphan, Orphans, Pruned } from '../base/orphans.ts'
import { didYouMean } from '../base/suggest.ts'
import { claim } from './claim.ts'
import { delayQueues, UNDELIVERABLE } from './delay.ts'
import { ask, findPlaces, lookAt, type OrphanPlace, orphanPlaces } from './find-orphans.ts'
import type { Link } from './link.ts'
import { withOwnLink } from './open-any.ts'
import { prune } from './prune.ts'
import { readRegistry } from './read-registry.ts'

/** Milliseconds since it was noted after which something that is not there is taken for deleted: before, it may be about to come. */
const OLD_MS = 86_400_000

export interface OrphansOptions {
  urls: readonly string[]
  /** The process's name, shown in the broker's list of connections. */
  name: string
  /** The project that the broker's virtual host belongs to. */
  project: string
}

/** Each operation has a connection of its own. Only what the project's processes have noted in its registry is ever looked at. */
export function openOrphans({ urls, name, project }: OrphansOptions): Orphans {
  function connected<T>(use: (link: Link) => Promise<T>): Promise<T> {
    return withOwnLink(urls, `${name} orphans`, async function claimed(link) {
      await claim(link, project)
      return use(link)
    })
  }

  /** Leaves out of the registry what is not there any more. */
  async function forget(link: Link, queues: ReadonlySet<string>, workers: readonly WorkerPlace[]): Promise<void> {
    if (queues.size === 0) return
    await readRegistry(link, {
      forget: (entry) => orphanPlaces([entry], workers).some(({ queue }) => queues.has(queue)),
    })
  }

  /** @returns what became of each that was there */
  async function pruneAll(
    link: Link,
    places: readonly OrphanPlace[],
    workers: readonly WorkerPlace[],
    force: boolean,
  ): Promise<Pruned[]> {
    const pruned: Pruned[] = []
    const gone = new Set<string>()
    for (const place of places) {
      const outcome = await prune(link, place, { force })
      if (outcome) pruned.push(outcome)
      if (outcome ? outcome.isRemoved : isOld(place)) gone.add(place.queue)
    }
    await forget(link, gone, workers)
    return pruned
  }

  return {
    list: (workers) =>
      connected(async (link) => {
        const found: Orphan[] = []
        const gone = new Set<string>()
        for (const place of await findPlaces(link, workers)) {
          const orphan = await lookAt(link, place)
          if (orphan) found.push(orphan)
          else if (isOld(place)) gone.add(place.queue)
        }
        await forget(link, gone, workers)
        return found
      }),

    delayed: () =>
      connected(async (link): Promise<Delayed> => {
        const [undeliverable, ...levels] = await Promise.all(
          [UNDELIVERABLE, ...delayQueues()].map((queue) => ask(link, queue)),
        )
        // Where the network has not been declared yet, nothing was ever delayed.
        const delayed = levels.reduce((sum, level) => sum + (level?.messages ?? 0), 0)
        return { delayed, undeliverable: undeliverable?.messages ?? 0 }
      }),

    pruneEmpty: (workers) => connected(async (link) => pruneAll(link, await findPlaces(link, workers), workers, false)),

    prune: (workers, wanted, { force }) =>
      connected(async (link) => {
        const places = await findPlaces(link, workers)
        const place = places.find((one) => one.name === wanted)
        const [pruned] = place ? await pruneAll(link, [place], workers, force) : []
        if (pruned) return pruned
        const names = places.map((one) => one.name)
        throw new StartupError(
          'WARREN_ORPHAN',
          `Expected an orphan of this project (${names.join(', ') || 'there are none'}), found '${wanted}'${didYouMean(wanted, names)}.`,
        )
      }),
  }
}

function isOld({ declaredAt }: OrphanPlace): boolean {
  return Date.now() - Date.parse(declaredAt) > OLD_MS
}
