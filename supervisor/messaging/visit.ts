import { setTimeout as delay } from 'node:timers/promises'
import { DeadLettersBusyError } from '../base/errors.ts'
import { codeOf } from './explain.ts'
import type { Link } from './link.ts'
import type { Delivered, LinkChannel } from './link-channel.ts'

/** What becomes of a message that was looked at. It stays, unless it is removed. */
export interface Verdict {
  readonly remove?: boolean
  /** Nothing more needs to be looked at. */
  readonly stop?: boolean
}

/** Decides about one message. @param index counted from the queue's head, from 0 on */
export type Visitor = (message: Delivered, index: number) => Verdict | Promise<Verdict>

export interface VisitOptions {
  /** How many messages will do, as far as one can tell: that many are taken at first. */
  want?: number
  /** Milliseconds to wait for others to leave the queue. */
  patience?: number
}

/** Milliseconds between two looks whether the queue is free, at most: the first ones come sooner. */
const LOOK_AGAIN = 100
const PATIENCE = 5_000
/** Milliseconds for what was put back to be there again. */
const RETURNED = 2_000
/** Milliseconds without a message, although there should be more. */
const SILENCE = 5_000
/** Messages that are taken at first. */
const WANT = 250
/** The largest prefetch that AMQP can express. */
const MAX_PREFETCH = 65_535
/** Verdicts that are awaited at a time. */
const CONCURRENCY = 250
/** Bytes of their messages; one is awaited, however large. */
const CONCURRENT_BYTES = 16 * 1024 * 1024

/**
 * Looks at a quorum queue's messages from its head on, as many as were there at the start, and puts back what was not
 * removed. AMQP has no way to browse: a message that is looked at is taken, and for as long is nobody else's to see. So
 * only one visitor at a time is let in, by a queue of its own that no other connection may declare meanwhile.
 *
 * What comes back goes in front of what was never taken, but behind what came back before: to keep the order, a visitor
 * takes everything that came back before, and all of it is returned at once, by the end of the channel. Both RabbitMQ
 * 3.10 and 4 sort it then; after a `basic.nack` of many the former does not.
 *
 * @param link one that nobody else uses, and that is closed afterwards, whatever happens
 * @throws DeadLettersBusyError while somebody else is at it; whatever `visit` throws, after all is put back
 */
export function visitQueue(
  link: Link,
  queue: string,
  visit: Visitor,
  { want = WANT, patience = PATIENCE }: VisitOptions = {},
): Promise<void> {
  return visiting(link, queue, patience, (look) => look(visit, want))
}

/** The same, for looks one after the other between which nobody else looks. */
export function visiting<T>(
  link: Link,
  queue: string,
  patience: number,
  use: (look: (visit: Visitor, want?: number) => Promise<void>) => Promise<T>,
): Promise<T> {
  return alone(link, queue, patience, () =>
    use(async function lookAtAll(visit, want = WANT) {
      const { messages: total } = await look(link, queue)
      if (total === 0) return
      const { removed, failure } = await link.withChannel((channel) => take(channel, { queue, total, want, visit }))
      await poll(RETURNED, async () => {
        const { messages, consumers } = await look(link, queue)
        return consumers === 0 && messages >= total - removed
      })
      if (failure) throw failure.error
    }),
  )
}

/** Removes everything, and resolves with how many that were. The same rules hold. */
export async function purgeQueue(link: Link, queue: string): Promise<number> {
  return alone(link, queue, PATIENCE, async () => {
    if ((await look(link, queue)).messages === 0) return 0
    const { messageCount } = await link.withChannel((channel) => channel.purgeQueue(queue))
    return messageCount
  })
}

/** Lets nobody else look at a queue of dead letters meanwhile. */
export async function alone<T>(link: Link, queue: string, patience: number, use: () => Promise<T>): Promise<T> {
  const lock = `${queue}.lock`
  const options = { exclusive: true, durable: false, arguments: { 'x-queue-type': 'classic' } }
  const start = performance.now()
  const isMine = await poll(patience, () =>
    link
      .withChannel((channel) => channel.assertQueue(lock, options))
      .then(
        () => true,
        (error: unknown) => {
          if (codeOf(error) === 'RESOURCE_LOCKED') return false
          throw error
        },
      ),
  )
  if (!isMine) throw new DeadLettersBusyError(queue, 'another list, redrive or purge is under way')
  // The last one may have ended without a word: until the broker has noticed, its messages are not back.
  const isFree = await poll(
    patience - (performance.now() - start),
    async () => (await look(link, queue)).consumers === 0,
  )
  if (!isFree) throw new DeadLettersBusyError(queue, 'something else consumes it')
  const result = await use()
  await link.withChannel((channel) => channel.deleteQueue(lock))
  return result
}

/** Whether it became true in time; it is asked once at least. */
async function poll(ms: number, condition: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + ms
  for (let wait = 1; !(await condition()); wait = Math.min(wait * 2, LOOK_AGAIN)) {
    if (performance.now() >= deadline) return false
    await delay(wait)
  }
  return true
}

/** Messages that are ready, and consumers. A queue that is not there has none. */
export async function look(link: Link, queue: string): Promise<{ messages: number; consumers: number }> {
  try {
    const found = await link.withChannel((channel) => channel.checkQueue(queue))
    return { messages: found.messageCount, consumers: found.consumerCount }
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return { messages: 0, consumers: 0 }
    throw error
  }
}

interface Visit {
  queue: string
  total: number
  want: number
  visit: Visitor
}

/**
 * Takes messages through one consumer after the other, each of which may hold twice as many as the one before: what stays
 * is held to the end, and a consumer that holds as many as it may gets no more.
 */
async function take(channel: LinkChannel, { queue, total, want, visit }: Visit) {
  const arrived: Delivered[] = []
  let failure: { error: unknown } | undefined
  let [seen, removed, active, bytes] = [0, 0, 0, 0]
  let [stopped, isFresh, isBroken] = [false, false, false]
  let consumer = { tag: '', room: 0 }
  let wake = () => {}
  channel.on('close', () => abandon(new Error('the broker closed the channel')))

  for (let windows = 0; !isDone(); ) {
    while (arrived.length > 0 && hasRoom()) start(arrived.shift() as Delivered)
    if (isDone()) break
    if (active === 0 && consumer.room <= 0) consumer = await consume(windows++)
    else await change()
  }
  // The end of the channel puts back what was not acknowledged.
  if (!isBroken) await channel.cancel(consumer.tag)
  return { removed, failure }

  function hasRoom(): boolean {
    return seen < total && active < CONCURRENCY && bytes < CONCURRENT_BYTES
  }

  function isDone(): boolean {
    // All of it is back in the queue already; verdicts that still come have nothing left to decide.
    if (isBroken) return true
    if (active > 0) return false
    // Also after a failure: those that came back before must not be left behind those that come back now.
    return seen === total || (stopped && isFresh)
  }

  async function consume(index: number) {
    const size = Math.min(MAX_PREFETCH, want * 2 ** index)
    // Its messages are returned by the order of the tags.
    const next = { tag: `visit-${String(index).padStart(3, '0')}`, room: size }
    if (consumer.tag) await channel.cancel(consumer.tag)
    await channel.prefetch(size)
    await channel.consume(queue, (message) => receive(message, next), { consumerTag: next.tag })
    return next
  }

  function receive(message: Delivered | null, from: { room: number }): void {
    if (message) {
      arrived.push(message)
      from.room--
      wake()
    } else abandon(new Error(`queue '${queue}' was deleted`))
  }

  function abandon(error: Error): void {
    isBroken = true
    failure ??= { error }
    wake()
  }

  function start(message: Delivered): void {
    const index = seen++
    isFresh ||= !message.fields.redelivered
    if (stopped) return
    begin(message)
    try {
      const verdict = visit(message, index)
      if (verdict instanceof Promise)
        verdict.then(
          (later) => settle(message, later),
          (error) => fail(message, error),
        )
      else settle(message, verdict)
    } catch (error) {
      fail(message, error)
    }
  }

  function begin({ content }: Delivered): void {
    active++
    bytes += content.length
  }

  function end({ content }: Delivered): void {
    active--
    bytes -= content.length
    wake()
  }

  function settle(message: Delivered, { remove = false, stop = false }: Verdict): void {
    end(message)
    stopped ||= stop
    if (remove && !isBroken) {
      channel.ack(message)
      removed++
      if (message.fields.consumerTag === consumer.tag) consumer.room++
    }
  }

  function fail(message: Delivered, error: unknown): void {
    end(message)
    failure ??= { error }
    stopped = true
  }

  async function change(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      wake = resolve
      timer = setTimeout(() => {
        if (active === 0) abandon(new DeadLettersBusyError(queue, `it had ${total} messages, ${seen} came`))
        resolve()
      }, SILENCE)
    })
    clearTimeout(timer)
  }
}
