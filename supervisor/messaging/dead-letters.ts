import type { DeadLetter, DeadLetterDetails, DeadLetterFilter, DeadLetters, WorkerPlace } from '../base/dead-letters.ts'
import { DeadLetterError } from '../base/errors.ts'
import type { Headers } from '../base/message.ts'
import { didYouMean } from '../base/suggest.ts'
import { uuidv7 } from '../base/uuid.ts'
import type { Client } from './client.ts'
import { type Cursor, cursorOf, isAt, readCursor } from './cursor.ts'
import { idOf, matches, readDeadLetter, readDetails } from './dead-letter.ts'
import type { Link } from './link.ts'
import type { Delivered } from './link-channel.ts'
import { withOwnLink } from './open-any.ts'
import { deadLettersOf, workQueue } from './topology.ts'
import { purgeQueue, visitQueue } from './visit.ts'

export interface DeadLettersOptions {
  urls: readonly string[]
  /** The process's name, shown in the broker's list of connections. */
  name: string
  /** The project's workers, whose dead letters these are. */
  workers: () => Promise<readonly WorkerPlace[]>
  /** Sends one to its worker's queue; resolves when the broker has confirmed it. */
  redrive: Client['redrive']
}

/**
 * Each operation has a connection of its own: its end is what puts back the letters, whatever has happened. And the one
 * that publishes is another one anyway, which an alarm of the broker may block.
 */
export function openDeadLetters({ urls, name, workers, redrive }: DeadLettersOptions): DeadLetters {
  function connected<T>(use: (link: Link) => Promise<T>): Promise<T> {
    return withOwnLink(urls, `${name} dead letters`, use)
  }

  /** In the order in which they are listed. */
  async function placesOf(worker?: string): Promise<WorkerPlace[]> {
    const places = [...(await workers())].sort((a, b) => (a.name < b.name ? -1 : 1))
    if (worker === undefined) return places
    const names = places.map((place) => place.name)
    const place = places.find((one) => one.name === worker)
    if (place) return [place]
    const known = names.join(', ') || 'none'
    throw new DeadLetterError(
      'WARREN_DEAD_LETTER_WORKER',
      `Expected a worker of this project (${known}), found '${worker}'${didYouMean(worker, names)}.`,
    )
  }

  /** The worker that has the letter. A fanout's subscribers may have a dead letter of the same message each. */
  async function locate(link: Link, id: string, worker?: string): Promise<WorkerPlace> {
    const places = await placesOf(worker)
    if (worker !== undefined) return places[0] as WorkerPlace
    const found: WorkerPlace[] = []
    for (const place of places) {
      await visitQueue(link, deadLettersOf(place.name, place), (message) => {
        if (idOf(message) !== id) return {}
        found.push(place)
        return { stop: true }
      })
    }
    const [first, ...others] = found
    if (!first) throw notFound(id)
    if (others.length === 0) return first
    throw new DeadLetterError(
      'WARREN_DEAD_LETTER_AMBIGUOUS',
      `Expected one dead letter with id '${id}', found one of each of these workers: ` +
        `${found.map((place) => place.name).join(', ')}. Say which worker's.`,
    )
  }

  /** Finds a letter and does something about it while nobody else can. */
  async function withLetter<T>(
    id: string,
    worker: string | undefined,
    use: (message: Delivered, place: WorkerPlace, queue: string) => Promise<T>,
    { remove = false } = {},
  ): Promise<T> {
    return connected(async (link) => {
      const place = await locate(link, id, worker)
      const queue = deadLettersOf(place.name, place)
      let found: { result: T } | undefined
      let isFound = false
      await visitQueue(link, queue, (message) => {
        // A crash may have left two of them: the first one it is.
        if (isFound || idOf(message) !== id) return { stop: isFound }
        isFound = true
        return use(message, place, queue).then((result) => {
          found = { result }
          return { remove, stop: true }
        })
      })
      if (!found) throw notFound(id)
      return found.result
    })
  }

  async function list({ worker, error, limit, after }: Parameters<DeadLetters['list']>[0]) {
    const cursor = after === undefined ? undefined : readCursor(after)
    const places = (await placesOf(worker)).filter((place) => !cursor || place.name >= cursor.worker)
    const found: { letter: DeadLetter; cursor: Cursor }[] = []
    await connected(async (link) => {
      for (const place of places) {
        if (found.length > limit) break
        const from = cursor?.worker === place.name ? cursor : undefined
        await collect(link, place, from)
      }
    })
    const next = found[limit]
    return { deadLetters: found.slice(0, limit).map(({ letter }) => letter), next: next ? cursorOf(next.cursor) : null }

    /** One more than asked for: the next page begins with it. */
    async function collect(link: Link, place: WorkerPlace, from: Cursor | undefined): Promise<void> {
      const queue = deadLettersOf(place.name, place)
      const before = found.length
      const wanted = limit + 1 - before
      let isThere = from === undefined
      const visit = (message: Delivered, index: number) => {
        const letter = readDeadLetter(message, place.name, queue)
        // Those in front of it may have gone since; the last one that looks like it is the one.
        if (from && isAt(from, letter, index)) {
          isThere = true
          found.length = before
        }
        if (isThere && found.length <= limit && matches(letter, { error })) {
          found.push({ letter, cursor: { worker: place.name, index, id: letter.id, at: letter.lastFailedAt } })
        }
        return { stop: found.length > limit && index >= (from?.index ?? 0) }
      }
      await visitQueue(link, queue, visit, { want: (from?.index ?? 0) + wanted })
      if (!isThere) {
        throw new DeadLetterError(
          'WARREN_DEAD_LETTER_GONE',
          'The dead letter that the page begins with has gone meanwhile. Begin again, without `after`.',
        )
      }
    }
  }

  function send(message: Delivered, place: WorkerPlace): Promise<void> {
    const queue = queueOf(place)
    const { messageId } = message.properties
    // Two foreign messages without an id may be the same to the byte, and are still two.
    const id = typeof messageId === 'string' && messageId !== '' ? messageId : uuidv7()
    const properties = { ...message.properties, headers: (message.properties.headers ?? {}) as Headers }
    return redrive({ id, body: message.content, properties, raw: message.raw }, { ...place, queue })
  }

  return {
    list,

    get: (id, worker) =>
      withLetter(
        id,
        worker,
        async (message, place, queue): Promise<DeadLetterDetails> => readDetails(message, place.name, queue),
      ),

    redrive: (id, worker) =>
      withLetter(
        id,
        worker,
        async (message, place, queue) => {
          await send(message, place)
          return readDeadLetter(message, place.name, queue)
        },
        { remove: true },
      ),

    async redriveAll({ worker, error }: DeadLetterFilter, onProgress = () => {}) {
      const places = await placesOf(worker)
      const able = places.filter((place) => workQueue(place.name, place) !== undefined)
      if (worker !== undefined && places[0]) queueOf(places[0])
      let redriven = 0
      await connected(async (link) => {
        for (const place of able) {
          const queue = deadLettersOf(place.name, place)
          await visitQueue(link, queue, (message) => {
            if (!matches(readDeadLetter(message, place.name, queue), { error })) return {}
            return send(message, place).then(() => {
              onProgress(++redriven)
              return { remove: true }
            })
          })
        }
      })
      const skipped: string[] = []
      for (const { name: other } of places.filter((place) => !able.includes(place))) {
        const { deadLetters } = await list({ worker: other, error, limit: 1 })
        if (deadLetters.length > 0) skipped.push(other)
      }
      return { redriven, skipped }
    },

    remove: (id, worker) =>
      withLetter(id, worker, async (message, place, queue) => readDeadLetter(message, place.name, queue), {
        remove: true,
      }),

    async purge(worker) {
      const places = await placesOf(worker)
      return connected(async (link) => {
        let removed = 0
        for (const place of places) removed += await purgeQueue(link, deadLettersOf(place.name, place))
        return removed
      })
    },
  }
}

/** The queue that a worker's letters go back to. */
function queueOf(place: WorkerPlace): string {
  const queue = workQueue(place.name, place)
  if (queue !== undefined) return queue
  throw new DeadLetterError(
    'WARREN_DEAD_LETTER_HELD',
    `Expected a worker whose instances share a queue, found '${place.name}' with subscription 'instance': each of its ` +
      'processes had one of its own. Publish the message again, or remove its dead letter.',
  )
}

function notFound(id: string): DeadLetterError {
  return new DeadLetterError('WARREN_DEAD_LETTER_NOT_FOUND', `Expected a dead letter with id '${id}', found none.`)
}
