import { recordOf } from '../../supervisor/base/error-record.ts'
import type { Headers, Incoming } from '../../supervisor/base/message.ts'
import type { Attempt, Done, Runner, Signals } from '../../supervisor/execution/attempt.ts'
import { createProcessor, type Processor } from '../../supervisor/execution/processor.ts'
import { createSandbox } from '../../supervisor/execution/sandbox.ts'
import type { SandboxEvents, SandboxProcess } from '../../supervisor/execution/sandbox-process.ts'
import type { ToSandbox } from '../../supervisor/execution/sandbox-protocol.ts'
import { createDeliveries, type Deliveries } from '../../supervisor/messaging/deliveries.ts'
import type { Link } from '../../supervisor/messaging/link.ts'
import type { LinkChannel } from '../../supervisor/messaging/link-channel.ts'
import { createPublisher, type Outgoing } from '../../supervisor/messaging/publisher.ts'
import { createRoundTrip } from '../../supervisor/messaging/round-trip.ts'
import { testLog } from '../helpers/messaging.ts'
import type { Channel, Delivery, Place, SimBroker, Stored } from './broker.ts'
import { SimLink } from './link.ts'

/** A handler that runs, in an instance's own process or in one of its sandbox. */
export interface Run {
  readonly id: string
  readonly attempt: Attempt
  readonly signals: Signals
  readonly instance: Instance
  /** Undefined: the instance's own process. */
  readonly cell: Cell | undefined
  readonly done: Done
}

/** A process of the sandbox. */
export interface Cell {
  readonly events: SandboxEvents
  readonly inbox: ToSandbox[]
  readonly given: string[]
  isReady: boolean
  isOver: boolean
}

export interface InstanceOptions {
  broker: SimBroker
  concurrency: number
  attempts: number
  /** Told of each handler that starts. */
  onRun(run: Run): void
}

const { log } = testLog()
log.level = 'silent'

/** A worker's process: Warren's own processor, sandbox, deliveries and publisher, on connections of the model's. */
export class Instance {
  readonly processor: Processor
  readonly runs = new Set<Run>()
  readonly cells = new Set<Cell>()
  readonly #sandbox: Runner
  readonly #options: InstanceOptions
  readonly #publisher = createPublisher(() => 'away')
  #deliveries: Deliveries[] = []
  /** Where a message that is moved on came from. */
  readonly #origins = new WeakMap<object, Delivery>()
  consuming: SimLink | undefined
  publishing: SimLink | undefined
  isOver = false
  isDraining = false

  constructor(options: InstanceOptions) {
    this.#options = options
    const { concurrency, attempts } = options
    const definition = { threads: 0, timeout: 60_000, memoryLimitMb: 256 }
    const transport = { deliver: async () => {}, request: async () => new Uint8Array() }
    const start = (events: SandboxEvents) => this.#startCell(events)
    this.#sandbox = createSandbox({ worker: 'w', definition, log, transport, start })
    this.processor = createProcessor({
      worker: 'w',
      concurrency,
      attempts,
      backoff: { type: 'fixed', delay: 100, maxDelay: 100, jitter: 0 },
      runner: { run: (attempt, signals, done) => this.#run(attempt, signals, done), close: async () => {} },
      sandbox: this.#sandbox,
      log,
      isolate: (incoming) => this.#move(incoming, 'suspects', { 'x-attempt': incoming.attempt }, false),
      retry: (incoming, headers, { asSuspect }) =>
        this.#move(incoming, asSuspect ? 'suspects' : 'queue', headers, true),
      deadLetter: (incoming, headers) => this.#move(incoming, 'dead', headers, false),
      reply: async () => {},
    })
  }

  #run(attempt: Attempt, signals: Signals, done: Done, cell?: Cell): void {
    let isOver = false
    const run: Run = {
      id: attempt.id,
      attempt,
      signals,
      instance: this,
      cell,
      done: (outcome) => {
        if (isOver || this.isOver || cell?.isOver) return
        isOver = true
        this.runs.delete(run)
        done(outcome)
      },
    }
    this.#options.onRun(run)
    this.runs.add(run)
    signals.stop.addEventListener('abort', () => run.done({ status: 'stopped' }))
  }

  #startCell(events: SandboxEvents): SandboxProcess {
    const cell: Cell = { events, inbox: [], given: [], isReady: false, isOver: false }
    this.cells.add(cell)
    const end = () => this.endCell(cell, 'SIGKILL')
    return {
      post: (message) => void cell.inbox.push(message),
      kill: () => setImmediate(end),
      end: () => setImmediate(end),
    }
  }

  /** Lets a process of the sandbox do one thing: load the worker, or take a message. @returns whether it had one to do */
  stepCell(cell: Cell): boolean {
    if (!cell.isReady) {
      cell.isReady = true
      cell.events.onMessage({ type: 'ready' })
      return true
    }
    const message = cell.inbox.shift()
    if (message?.type === 'run') {
      const { number, attempt } = message
      const [stop, lost] = [new AbortController(), new AbortController()]
      cell.given.push(attempt.id)
      cell.events.onMessage({ type: 'started', number })
      const ended: Done = (outcome) => cell.events.onMessage({ type: 'ended', number, outcome, isSpent: false })
      this.#run(attempt, { stop: stop.signal, lost: lost.signal }, ended, cell)
    }
    return message !== undefined
  }

  endCell(cell: Cell, signal: string): void {
    if (cell.isOver) return
    cell.isOver = true
    this.cells.delete(cell)
    for (const run of this.runs) if (run.cell === cell) this.runs.delete(run)
    if (!this.isOver) cell.events.onEnd({ code: null, signal, isOutOfMemory: false })
  }

  connectToConsume(): void {
    const { broker, concurrency } = this.#options
    const channels: Channel[] = []
    const link = new SimLink(() => {
      for (const channel of channels) broker.close(channel)
    })
    this.consuming = link
    this.#deliveries = []
    for (const place of ['queue', 'suspects'] as const) channels.push(this.#consume(link, place, concurrency))
    for (const channel of channels) broker.channels.add(channel)
  }

  #consume(link: SimLink, place: 'queue' | 'suspects', prefetch: number): Channel {
    const { broker } = this.#options
    const channel: Channel = { place, prefetch, unacked: new Map(), lastTag: 0, send }
    const asked = createRoundTrip(
      () =>
        new Promise((resolve, reject) => {
          if (link.lost.signal.aborted) return reject(new Error('lost'))
          link.lost.signal.addEventListener('abort', reject)
          link.toBroker(() => link.toClient(() => resolve(undefined)))
        }),
    )
    const from = {
      queue: 'q',
      deadLetters: 'q.dead',
      suspects: 'q.suspects',
      isSuspect: place === 'suspects',
      answers: false,
    }
    const wire = {
      ack: ({ fields }: { fields: { deliveryTag: number } }, allUpTo = false) =>
        link.toBroker(() => broker.ack(channel, fields.deliveryTag, allUpTo)),
      nack: ({ fields }: { fields: { deliveryTag: number } }) =>
        link.toBroker(() => broker.nack(channel, fields.deliveryTag)),
    } as unknown as LinkChannel
    const deliveries = createDeliveries({ channel: wire, lost: link.lost.signal, from, held: asked })
    deliveries.resize({ prefetch, concurrency: prefetch })
    this.#deliveries.push(deliveries)
    const { processor } = this
    const origins = this.#origins

    function send(tag: number, delivery: Delivery): void {
      const { id, headers, returns, redelivered } = delivery.stored
      // As they were when it was handed out.
      const counted = { ...headers, 'x-delivery-count': returns }
      link.toClient(() => {
        const incoming = deliveries.receive({
          fields: { consumerTag: '', deliveryTag: tag, redelivered, exchange: '', routingKey: '' },
          properties: { messageId: id, headers: counted },
          content: Buffer.from(id),
          raw: undefined,
          unreadable: [],
        })
        const held = () => {
          delivery.askedAt = broker.step
          return incoming.held()
        }
        const own = { ...incoming, held }
        origins.set(own, delivery)
        processor.handle(own)
      })
    }
    return channel
  }

  connectToPublish(): void {
    const link = new SimLink(() => {})
    this.publishing = link
    const { broker } = this.#options
    const channel = {
      on: () => {},
      send(
        message: Outgoing & { publication: (by: object) => void },
        _: Buffer,
        onConfirm: (error: Error | null) => void,
      ) {
        link.toBroker(() => {
          message.publication(link)
          link.toClient(() => onConfirm(null))
        })
        return true
      },
    }
    const asLink = {
      lost: link.lost.signal,
      fail: () => {},
      checkAlive: () => {},
      confirmChannel: async () => channel,
      server: {},
    }
    void this.#publisher.attach(asLink as unknown as Link).then(
      () => broker.hasAlarm && this.block(true),
      () => {},
    )
  }

  block(hasAlarm: boolean): void {
    this.#publisher.block(hasAlarm ? 'a memory alarm' : undefined)
  }

  #move(incoming: Incoming, to: Place, headers: Headers, delayed: boolean): Promise<void> {
    const of = this.#origins.get(incoming) as Delivery
    const all = { ...incoming.properties.headers, ...headers }
    const stored: Stored = {
      id: incoming.id,
      attempt: Number(all['x-attempt'] ?? 1),
      headers: all,
      returns: 0,
      redelivered: false,
    }
    const { broker } = this.#options
    const message = {
      exchange: '',
      routingKey: to,
      body: incoming.body,
      properties: { messageId: incoming.id, persistent: true, mandatory: true },
      address: to,
      outlastsAlarm: true,
      publication: (by: object) => broker.take({ to, delayed, stored, of }, by),
    } as const
    return this.#publisher.publish(message)
  }

  /** The process ends at once; what it has written may still arrive. */
  die(): void {
    this.isOver = true
    this.runs.clear()
    for (const link of [this.consuming, this.publishing]) link?.endAtClient()
    void this.#sandbox.close()
    // What this frees runs on in the test's process, and reaches nobody.
    for (const { events } of this.cells) events.onEnd({ code: null, signal: 'SIGKILL', isOutOfMemory: false })
    this.cells.clear()
  }

  /** A stop: drains until the deadline, and closes in order. */
  async drain(deadline: AbortSignal): Promise<void> {
    this.isDraining = true
    await this.processor.drain(deadline)
    for (const { flush } of this.#deliveries) flush()
    if (!this.isOver) this.die()
  }

  /** Ends an attempt in the handler's name. */
  static fail(run: Run, message: string): void {
    run.done({ status: 'failed', error: recordOf(new Error(message)) })
  }
}
