import type { Teardown } from '../../helpers/tmp.ts'
import { type Peer, startPeer } from '../peers/process.ts'
import type { Taken } from '../peers/tally.ts'
import type { Scenario } from '../scenario.ts'
import {
  BY_HAND,
  type PeerName,
  RABBITMQ_CLIENT,
  startSide,
  startWorker,
  TUNED,
  uniqueName,
  WARREN,
  workerFile,
} from '../sides.ts'

const BYTES = 256
/** Messages by the number of subscribers, of which each gets its own copy. */
const MESSAGES = { 1: 30_000, 4: 10_000, 16: 2_500 } as const
const COUNTS = Object.keys(MESSAGES).map(Number) as (keyof typeof MESSAGES)[]
const MOST = Math.max(...COUNTS)

interface Subscriber {
  readonly peer: Peer
  readonly queue: string
}

/** A fanout and those who get what is published to it. */
interface Group {
  readonly count: keyof typeof MESSAGES
  readonly fanout: string
  readonly subscribers: readonly Subscriber[]
}

/** By `bus.publish`, each subscriber a process of its own. */
export const fanout: Scenario = {
  name: 'fanout',
  title:
    'Publish to 1, 4 and 16 subscribers at once, each a process with a copy of its own: deliveries to all of them.',
  measures: COUNTS.map((count) => ({ name: nameOf(count), unit: 'deliveries/s', better: 'more' })),
  async open(services, t) {
    const { url } = await services.rabbitmq()
    const sides = [await openWarren(t, url)]
    for (const name of [BY_HAND, TUNED, RABBITMQ_CLIENT] as const) sides.push(await openPeer(t, name, url))
    return sides.map(({ name, sender, groups }) => ({
      name,
      async sample() {
        const figures: Record<string, number> = {}
        for (const { count, fanout, subscribers } of groups) {
          const messages = services.size(MESSAGES[count])
          const [taken] = await Promise.all([
            Promise.all(subscribers.map(({ peer, queue }) => peer.call<Taken>('take', queue, messages))),
            sender.call('broadcast', fanout, messages, BYTES),
          ])
          const ms = Math.max(...taken.map(({ last }) => last)) - Math.min(...taken.map(({ first }) => first))
          figures[nameOf(count)] = (messages * count) / (ms / 1_000)
        }
        return figures
      },
    }))
  },
}

function nameOf(count: number): string {
  return count === 1 ? '1 subscriber' : `${count} subscribers`
}

/** A worker subscribes to one fanout, so that each group has its own. */
async function openWarren(t: Teardown, url: string) {
  const sender = await startPeer(t, 'warren', { args: [url] })
  const file = workerFile('warren-subscriber')
  const groups: Group[] = []
  for (const count of COUNTS) {
    const fanout = uniqueName()
    const subscribers = await startMany(count, async function startSubscriber(i) {
      const name = `subscriber-${i}`
      return { peer: await startWorker(t, { url, queue: fanout, file, name }), queue: `${fanout}.${name}` }
    })
    groups.push({ count, fanout, subscribers })
  }
  return { name: WARREN, sender, groups }
}

/** The groups share their processes, which have a queue for each. */
async function openPeer(t: Teardown, name: PeerName, url: string) {
  const sender = await startSide(t, name, url)
  const peers = await startMany(MOST, () => startSide(t, name, url))
  const groups: Group[] = []
  for (const count of COUNTS) {
    const fanout = uniqueName()
    const subscribers = peers.slice(0, count).map((peer, i) => ({ peer, queue: `${fanout}.${i}` }))
    const queues = subscribers.map(({ queue }) => queue)
    await sender.call('bind', fanout, queues)
    groups.push({ count, fanout, subscribers })
  }
  return { name, sender, groups }
}

function startMany<T>(count: number, start: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => start(index)))
}
