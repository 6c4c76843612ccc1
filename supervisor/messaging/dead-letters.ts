import type { DeadLetter, DeadLetters, RedriveResult, WorkerPlace } from '../base/dead-letters.ts'
import { DeadLetterError } from '../base/errors.ts'
import type { Headers } from '../base/message.ts'
import { uuidv7 } from '../base/uuid.ts'
import { claim } from './claim.ts'
import type { Client } from './client.ts'
import { type Cursor, cursorOf, isAt, readCursor } from './cursor.ts'
import { idOf, matches, readDeadLetter, readDetails } from './dead-letter.ts'
import { createLetterPlaces, type Home, type LetterPlace, requireHome } from './letter-places.ts'
import type { Link } from './link.ts'
import type { Delivered } from './link-channel.ts'
import { withOwnLink } from './open-any.ts'
import { purgeQueue, visitQueue } from './visit.ts'

export interface DeadLettersOptions {
  urls: readonly string[]
  /** The process's name, shown in the broker's list of connections. */
  name: string
  /** The project that the broker's virtual host belongs to; without one, orphans are left out. */
  project?: string
  /** The project's workers, whose dead letters these are. */
  workers: () => Promise<readonly WorkerPlace[]>
  /** Sends one to its worker's queue; resolves when the broker has confirmed it. */
  redrive: Client['redrive']
}

/**
 * Each operation has a connection of its own: its end is what puts back the letters, whatever has happened. And the one
 * that publishes is another one anyway, which an alarm of the broker may block.
 */
export function openDeadLetters({ urls, name, project, workers, redrive }: DeadLettersOptions): DeadLetters {
  const places = createLetterPlaces(workers, project !== undefined)

  function connected<T>(use: (link: Link) => Promise<T>): Promise<T> {
    return withOwnLink(urls, `${name} dead letters`, async function claimed(link) {
      if (project !== undefined) await claim(link, project)
      return use(link)
    })
  }

  /** In the order in which they are listed. */
  async function placesOf(link: Link, worker?: string): Promise<LetterPlace[]> {
    return worker === undefined ? places.all(link) : [await places.one(link, worker)]
  }

  /** The place that has the letter. A fanout's subscribers may have a dead letter of the same message each. */
  async function locate(link: Link, id: string, worker?: string): Promise<LetterPlace> {
    if (worker !== undefined) return places.one(link, worker)
    const found: LetterPlace[] = []
    for (const place of await places.all(link)) {
      await visitQueue(link, place.deadLetters, (message) => {
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
    use: (message: Delivered, place: LetterPlace) => Promise<T>,
    { remove = false } = {},
  ): Promise<T> {
    return connected(async (link) => {
      const place = await locate(link, id, worker)
      let found: { result: T } | undefined
      let isFound = false
      await visitQueue(link, place.deadLetters, (message) => {
        // A crash may have left two of them: the first one it is.
        if (isFound || idOf(message) !== id) return { stop: isFound }
        isFound = true
        return use(message, place).then((result) => {
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
    const found: { letter: DeadLetter; cursor: Cursor }[] = []
    await connected(async (link) => {
      for (const place of await placesOf(link, worker)) {
        if (found.length > limit) break
        if (cursor && place.name < cursor.worker) continue
        const from = cursor?.worker === place.name ? cursor : undefined
        await collect(link, place, from)
      }
    })
    const next = found[limit]
    return { deadLetters: found.slice(0, limit).map(({ letter }) => letter), next: next ? cursorOf(next.cursor) : null }

    /** One more than asked for: the next page begins with it. */
    async function collect(link: Link, place: LetterPlace, from: Cursor | undefined): Promise<void> {
      const before = found.length
      const wanted = limit + 1 - before
      let isThere = from === undefined
      const visit = (message: Delivered, index: number) => {
        const letter = readIn(place, message)
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
      await visitQueue(link, place.deadLetters, visit, { want: (from?.index ?? 0) + wanted })
      if (!isThere) {
        throw new DeadLetterError(
          'WARREN_DEAD_LETTER_GONE',
          'The dead letter that the page begins with has gone meanwhile. Begin again, without `after`.',
        )
      }
    }
  }

  function send(message: Delivered, to: Home): Promise<void> {
    const { messageId } = message.properties
    // Two foreign messages without an id may be the same to the byte, and are still two.
    const id = typeof messageId === 'string' && messageId !== '' ? messageId : uuidv7()
    const properties = { ...message.properties, headers: (message.properties.headers ?? {}) as Headers }
    return redrive({ id, body: message.content, properties, raw: message.raw }, to)
  }

  async function redriveOne(id: string, worker?: string, to?: string): Promise<DeadLetter> {
    const other = to === undefined ? undefined : await places.home(to)
    const sendIt = async (message: Delivered, place: LetterPlace) => {
      await send(message, other ?? requireHome(place))
      return readIn(place, message)
    }
    return withLetter(id, worker, sendIt, { remove: true })
  }

  async function redriveAll(
    { worker, error, to }: Parameters<DeadLetters['redriveAll']>[0],
    onProgress: (count: number) => void = () => {},
  ): Promise<RedriveResult> {
    const other = to === undefined ? undefined : await places.home(to)
    let redriven = 0
    const skipped: string[] = []
    await connected(async (link) => {
      const all = await placesOf(link, worker)
      if (worker !== undefined && !other) requireHome(all[0] as LetterPlace)
      for (const place of all) {
        const home = other ?? place.home
        let isLeftOut = false
        await visitQueue(link, place.deadLetters, (message) => {
          if (!matches(readIn(place, message), { error })) return {}
          isLeftOut = home === undefined
          if (!home) return { stop: true }
          return send(message, home).then(() => {
            onProgress(++redriven)
            return { remove: true }
          })
        })
        if (isLeftOut) skipped.push(place.name)
      }
    })
    return { redriven, skipped }
  }

  return {
    list,
    get: (id, worker) =>
      withLetter(id, worker, async (message, place) => readDetails(message, place.name, place.deadLetters)),
    redrive: redriveOne,
    redriveAll,
    remove: (id, worker) => withLetter(id, worker, async (message, place) => readIn(place, message), { remove: true }),
    purge: (worker) =>
      connected(async (link) => {
        let removed = 0
        for (const place of await placesOf(link, worker)) removed += await purgeQueue(link, place.deadLetters)
        return removed
      }),
  }
}

function readIn({ name, deadLetters }: LetterPlace, message: Delivered): DeadLetter {
  return readDeadLetter(message, name, deadLetters)
}

function notFound(id: string): DeadLetterError {
  return new DeadLetterError('WARREN_DEAD_LETTER_NOT_FOUND', `Expected a dead letter with id '${id}', found none.`)
}
