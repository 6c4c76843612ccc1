import { steadyClock } from '../../../supervisor/broker/clock.ts'
import type { Consumer } from '../../../supervisor/broker/queues/consumers.ts'
import type { Binding } from '../../../supervisor/broker/routing/matcher.ts'
import { createSlices } from '../../../supervisor/broker/slices.ts'
import type { Store, StoreOptions } from '../../../supervisor/broker/store/store.ts'
import { createVhost, type Vhost } from '../../../supervisor/broker/vhost/vhost.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { message, open } from '../store/helpers.ts'

/** A virtual host without a network, and with a clock that can be put forward. */
export interface VhostUnderTest {
  readonly vhost: Vhost
  readonly store: Store
  readonly folder: string
  forward(ms: number): void
  declare(queue: string, args?: Record<string, string | number | boolean>): void
  /** Publishes persistent messages, and resolves once they are on disk, with which of them were accepted. */
  publish(exchange: string, routingKey: string, count: number, body?: string): Promise<boolean[]>
  /** Publishes one. @param routingKeys further ones come from headers, and are on the message alone */
  send(exchange: string, queue: string, properties: Buffer, routingKeys?: readonly string[]): void
  /** Resolves once something is so. */
  settled(is: () => boolean): Promise<void>
  close(): Promise<void>
}

export const OWNER = {}

interface Options {
  /** @default a temporary one */
  folder?: string
  store?: Partial<StoreOptions>
  /** Milliseconds that sliced work has in a turn. */
  turnMs?: number
  /** Gets what is logged as an error. @default it fails the test */
  onError?: (details: object, message: string) => void
  /** Milliseconds until a dead letter that could go nowhere is tried again. */
  retryMs?: number
}

export async function startVhost(
  t: { teardown(fn: () => unknown): void; fail(message: string): unknown },
  options: Options = {},
): Promise<VhostUnderTest> {
  const folder = options.folder ?? temporaryFolder(t)
  const store = await open(folder, options.store)
  const steady = steadyClock()
  let ahead = 0
  const { turnMs = 10 } = options
  const onFault = (error: unknown) => void t.fail(String(error))
  const log = { error: options.onError ?? ((_details: object, message: string) => onFault(message)) }
  const slices = createSlices({ turnMs, onError: onFault })
  const vhost = createVhost(store, {
    clock: { now: () => steady.now() + ahead },
    slices,
    prompt: slices,
    log,
    onFault,
    retryMs: options.retryMs,
  })
  let closed: Promise<void> | undefined

  async function close(): Promise<void> {
    vhost.close()
    slices.close()
    await store.close()
  }
  const under: VhostUnderTest = {
    vhost,
    store,
    folder,
    forward(ms) {
      ahead += ms
    },
    declare(queue, args = {}) {
      vhost.declareQueue(queue, { durable: true, exclusive: false, autoDelete: false }, args, OWNER)
    },
    publish(exchange, routingKey, count, body = 'x') {
      const published = Array.from({ length: count }, () => {
        const own = message(body, { exchange, routingKey, properties: NO_PROPERTIES })
        return new Promise<boolean>((resolve) => {
          publishAll(vhost, { message: own, routingKeys: [routingKey], headers: () => undefined }, resolve)
        })
      })
      return Promise.all(published)
    },
    send(exchange, queue, properties, [key = queue] = []) {
      const own = message('x', { exchange, routingKey: key, properties })
      vhost.queue(queue, OWNER).publish(own)
    },
    async settled(is) {
      while (!is()) await new Promise((resolve) => setTimeout(resolve, 1))
    },
    close: () => (closed ??= close()),
  }
  t.teardown(under.close)
  return under
}

/** Takes all steps at once. @returns what they return */
export function allOf<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** Gives a message to all its queues at once. @returns how many there are */
export function publishAll(vhost: Vhost, ...publication: Parameters<Vhost['publish']>): number {
  const { reached, steps } = vhost.publish(...publication)
  allOf(steps)
  return reached
}

/** A binding to a queue. */
export function bindingTo(queue: string, source: string, routingKey: string): Binding {
  return { source, destination: { kind: 'queue', name: queue }, routingKey, arguments: {} }
}

/** Property flags alone. */
const NO_PROPERTIES = Buffer.alloc(2)

/** A consumer that takes everything and settles nothing. */
export function consumer(deliver: Consumer['deliver']): Consumer {
  return {
    tag: 'tag',
    priority: 0,
    exclusive: false,
    place: 0,
    limit: Number.POSITIVE_INFINITY,
    unacked: 0,
    canTake: () => true,
    deliver,
    cancel() {},
  }
}

/** How much a count changes at most in one turn of the event loop, until it is what it is to be. */
export async function mostInOneTurn(count: () => number, end: number): Promise<number> {
  let most = 0
  for (let before = count(); before !== end; ) {
    await new Promise((resolve) => setImmediate(resolve))
    const now = count()
    most = Math.max(most, Math.abs(now - before))
    before = now
  }
  return most
}
