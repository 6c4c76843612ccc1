import type { WorkerPlace } from '../base/dead-letters.ts'
import { DeadLetterError } from '../base/errors.ts'
import { SET_ASIDE } from '../base/set-aside.ts'
import { didYouMean } from '../base/suggest.ts'
import { findPlaces } from './find-orphans.ts'
import type { Link } from './link.ts'
import { deadLettersOf, workQueue } from './topology.ts'
import { look } from './visit.ts'

/** Where dead letters are: a worker's, or an orphan's. */
export interface LetterPlace {
  readonly name: string
  readonly deadLetters: string
  /** Where they go back to by themselves. */
  readonly home: Home | undefined
  /** Why they have no home, in a sentence. */
  readonly homeless?: string
}

/** A worker whose instances share a queue. */
export type Home = WorkerPlace & { readonly queue: string }

/** The places where dead letters can be, in the order in which they are listed. */
export interface LetterPlaces {
  all(link: Link): Promise<LetterPlace[]>
  /** @throws DeadLetterError if there is none of this name */
  one(link: Link, name: string): Promise<LetterPlace>
  /** The worker that letters are to go to. @throws DeadLetterError if there is none, or it has no queue that is shared */
  home(name: string): Promise<Home>
}

const ASIDE: LetterPlace = {
  name: SET_ASIDE,
  deadLetters: SET_ASIDE,
  home: undefined,
  homeless:
    'Expected a worker to send it to: the broker could not deliver it or send it on, and its log says from which queue ' +
    'and why. Name one: --to WORKER, over HTTP ?to=WORKER.',
}

/** @param hasOrphans whether the project's registry is looked at */
export function createLetterPlaces(workers: () => Promise<readonly WorkerPlace[]>, hasOrphans: boolean): LetterPlaces {
  async function orphans(link: Link): Promise<LetterPlace[]> {
    if (!hasOrphans) return []
    const places = await findPlaces(link, await workers())
    return places.flatMap(({ name, deadLetters }) =>
      deadLetters === null ? [] : [{ name, deadLetters, home: undefined, homeless: orphaned(name) }],
    )
  }

  /** What the embedded broker could not deliver, while there is some of it. */
  async function setAside(link: Link): Promise<LetterPlace[]> {
    const { messages } = hasOrphans ? await look(link, SET_ASIDE) : { messages: 0 }
    return messages > 0 ? [ASIDE] : []
  }

  async function ofWorkers(): Promise<LetterPlace[]> {
    return (await workers()).map((worker) => {
      const home = homeOf(worker)
      const deadLetters = deadLettersOf(worker.name, worker)
      return home
        ? { name: worker.name, deadLetters, home }
        : { name: worker.name, deadLetters, home, homeless: held(worker.name) }
    })
  }

  return {
    async all(link) {
      const places = [...(await ofWorkers()), ...(await orphans(link)), ...(await setAside(link))]
      return places.sort((a, b) => (a.name < b.name ? -1 : 1))
    },

    async one(link, name) {
      const own = await ofWorkers()
      const others = async () => (name === SET_ASIDE ? [ASIDE] : orphans(link))
      const place = own.find((one) => one.name === name) ?? (await others()).find((one) => one.name === name)
      if (place) return place
      throw unknown(
        name,
        own.map((one) => one.name),
      )
    },

    async home(name) {
      const all = await workers()
      const worker = all.find((one) => one.name === name)
      if (!worker)
        throw unknown(
          name,
          all.map((one) => one.name),
        )
      const home = homeOf(worker)
      if (!home) throw new DeadLetterError('WARREN_DEAD_LETTER_HELD', held(name))
      return home
    },
  }
}

/** The queue that a place's letters go back to. @throws DeadLetterError where there is none */
export function requireHome({ home, homeless = '' }: LetterPlace): Home {
  if (home) return home
  throw new DeadLetterError('WARREN_DEAD_LETTER_HELD', homeless)
}

function homeOf(worker: WorkerPlace): Home | undefined {
  const queue = workQueue(worker.name, worker)
  return queue === undefined ? undefined : { ...worker, queue }
}

function held(worker: string): string {
  return (
    `Expected a worker whose instances share a queue, found '${worker}' with subscription 'instance': each of its ` +
    'processes had one of its own. Publish the message again, name another worker to send it to, or remove its dead letter.'
  )
}

function orphaned(name: string): string {
  return `Expected a worker to send it to: no worker file stands for '${name}' any more, or it is broken. Name one: --to WORKER, over HTTP ?to=WORKER.`
}

function unknown(name: string, names: readonly string[]): DeadLetterError {
  return new DeadLetterError(
    'WARREN_DEAD_LETTER_WORKER',
    `Expected a worker of this project (${[...names].sort().join(', ') || 'none'}) or an orphan, found '${name}'${didYouMean(name, names)}.`,
  )
}
