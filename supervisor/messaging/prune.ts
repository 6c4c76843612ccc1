import { setTimeout as delay } from 'node:timers/promises'
import { DeadLettersBusyError } from '../base/errors.ts'
import type { Orphan, Pruned } from '../base/orphans.ts'
import { declare } from './declare.ts'
import { deliveryBinding } from './delay.ts'
import { ask, lookAt, type OrphanPlace } from './find-orphans.ts'
import type { Link } from './link.ts'
import type { Delivered } from './link-channel.ts'
import { type Declaration, subscriptionBindings, suspectQueue, workerTopology } from './topology.ts'
import { alone } from './visit.ts'

/** Milliseconds for the broker to say that a queue's consumer has ended with it. */
const ENDED_MS = 2_000
/** Messages that may come between the last look at a queue and its end, and be kept. */
const MOST_LATE = 1_000

/**
 * Removes an orphan: its queue, its suspects, its dead letters and what binds it.
 *
 * A quorum queue can't be deleted on condition that it is empty. So it gets no more from a fanout or the delay network first;
 * then somebody consumes it while it is deleted: what a sender puts there at that moment comes out, and is put back.
 * @param link one that nobody else uses, and that is closed afterwards, whatever happens
 * @param force with the messages that it has
 */
export async function prune(
  link: Link,
  place: OrphanPlace,
  { force }: { force: boolean },
): Promise<Pruned | undefined> {
  try {
    return place.deadLetters === null
      ? await pruneAlone(link, place, force)
      : await alone(link, place.deadLetters, 0, () => pruneAlone(link, place, force))
  } catch (error) {
    if (!(error instanceof DeadLettersBusyError)) throw error
    const orphan = await lookAt(link, place)
    return orphan && { orphan, isRemoved: false, reason: 'somebody else is at its dead letters' }
  }
}

async function pruneAlone(link: Link, place: OrphanPlace, force: boolean): Promise<Pruned | undefined> {
  const orphan = await lookAt(link, place)
  if (!orphan) return undefined
  const reason = reasonToKeep(orphan, force)
  if (reason) return { orphan, isRemoved: false, reason }
  const bindings = bindingsOf(place)
  await unbind(link, bindings)
  const late = orphan.waiting === null ? [] : await deleteWatched(link, place, force)
  if (late === undefined || late.length > 0) {
    await declare(link, topologyOf(place))
    await putBack(link, place.queue, late ?? [])
    return { orphan, isRemoved: false, reason: 'a message has just come' }
  }
  for (const queue of [suspectQueue(place.queue), place.deadLetters]) {
    if (queue !== null) await link.withChannel((channel) => channel.deleteQueue(queue))
  }
  return { orphan, isRemoved: true }
}

function reasonToKeep({ waiting, suspects, dead, consumers }: Orphan, force: boolean): string | undefined {
  if (consumers > 0)
    return `${consumers} ${consumers === 1 ? 'process consumes' : 'processes consume'} it, on another machine perhaps`
  if (force) return undefined
  const count = (waiting ?? 0) + (suspects ?? 0) + (dead ?? 0)
  return count > 0 ? `it has ${count} ${count === 1 ? 'message' : 'messages'}` : undefined
}

/** @returns what came meanwhile; undefined: so much that it was not deleted */
async function deleteWatched(link: Link, place: OrphanPlace, force: boolean): Promise<Delivered[] | undefined> {
  return link.withChannel(async function watch(channel) {
    if (force) {
      await channel.deleteQueue(place.queue)
      return []
    }
    const late: Delivered[] = []
    let end = () => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    await channel.prefetch(MOST_LATE)
    const { consumerTag } = await channel.consume(place.queue, (message) => void (message ? late.push(message) : end()))
    // What is there by now has come to the consumer, or is ready still.
    const now = await Promise.all(
      [place.queue, suspectQueue(place.queue), place.deadLetters].map((queue) => queue && ask(link, queue)),
    )
    if (late.length > 0 || now.some((state) => state && state.messages > 0)) {
      await channel.cancel(consumerTag)
      // The end of the channel puts them back.
      return undefined
    }
    await channel.deleteQueue(place.queue)
    await Promise.race([ended, delay(ENDED_MS, undefined, { ref: false })])
    return late
  })
}

async function unbind(link: Link, bindings: readonly Declaration[]): Promise<void> {
  for (const binding of bindings) {
    if (binding.kind !== 'binding') continue
    const { queue, exchange, key } = binding
    // Without its exchange, or its queue, there is no binding either.
    await link
      .withChannel((channel) => channel.unbindQueue(queue, exchange, key))
      .catch((error: unknown) => {
        if (link.lost.aborted) throw error
      })
  }
}

function bindingsOf({ queue, address }: OrphanPlace): Declaration[] {
  return [deliveryBinding(queue), ...(address.kind === 'fanout' ? subscriptionBindings(queue, address.name) : [])]
}

function topologyOf({ queue, address }: OrphanPlace): Declaration[] {
  const worker = queue.slice(address.name.length + 1)
  return workerTopology(worker, { address, subscription: 'group' })
}

async function putBack(link: Link, queue: string, messages: readonly Delivered[]): Promise<void> {
  if (messages.length === 0) return
  await link.withConfirmChannel(async function publish(channel) {
    const confirms = messages.map(({ properties, content, raw }) => {
      const to = { exchange: '', routingKey: queue }
      // As it came, where its octets are known.
      const publication = raw
        ? { ...to, properties: { mandatory: true }, raw }
        : { ...to, properties: { ...properties, persistent: true, mandatory: true } as object }
      return new Promise<void>((resolve, reject) =>
        channel.send(publication, content, (error) => (error ? reject(error) : resolve())),
      )
    })
    await Promise.all(confirms)
  })
}
