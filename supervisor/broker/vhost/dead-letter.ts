import { attempt, later, type OnFault } from '../guard.ts'
import type { Pressure } from '../pressure.ts'
import type { DeadLetterReason, Queue } from '../queues/queue.ts'
import type { Slices } from '../slices.ts'
import { createDeque } from '../store/deque.ts'
import type { Entry } from '../store/log.ts'
import { cycles } from './deaths.ts'
import { delayLevel, type Letter, letterOf, passedLevel, passingOn } from './letter.ts'
import type { Publication, Routed } from './publication.ts'
import type { SetAside } from './set-aside.ts'

/** How long a message that may not be lost waits until its dead letter exchange is asked again. RabbitMQ waits 180 s. */
const RETRY_MS = 30_000

/** So many that have died and are not yet sent on make publishers wait, until they are fewer. */
const BUSY_COUNT = 1_000
const CALM_COUNT = 500

interface Vhost {
  exchangeExists(name: string): boolean
  publish(publication: Publication): Routed
  setAside: SetAside
}

/** A message that has died, and is to be sent on. */
interface Dying {
  readonly queue: Queue
  readonly entry: Entry
  readonly reason: DeadLetterReason
  /** The queues that have it already, while another one refuses it. */
  readonly taken: Set<string>
}

export interface DeadLettering {
  /** Sends what dies in a queue on to its dead letter exchange. */
  deadLetter(queue: Queue, entry: Entry, reason: DeadLetterReason): void
  /**
   * Does something, and sends on what died of it only afterwards: the queues that get a message in one step get it before
   * they get what it has driven out of another. A message for more queues than that (distribute.ts) may be preceded by it.
   */
  hold<T>(action: () => T): T
  /** Does something once all that has died before is sent on: at once where there is none. */
  afterwards(action: () => void): void
  /** Busy while many are still to be sent on. */
  readonly pressure: Pressure
}

interface Options {
  readonly slices: Slices
  readonly onFault: OnFault
  readonly retryMs?: number | undefined
}

/**
 * The arrival of a dead letter and its removal from the source are part of one commit, so that a crash leaves exactly
 * one of them.
 */
export function deadLettering(vhost: Vhost, { slices, onFault, retryMs = RETRY_MS }: Options): DeadLettering {
  const owner = {}
  const dying = createDeque<Dying | (() => void)>()
  /** What has to wait for its exchange or a queue that refuses it, by the queue that it is in. */
  const waiting = new Map<Queue, Dying[]>()
  let isHeld = false
  /** Sent on from outside of other work. */
  let isSending = false
  /** One is being sent on. */
  let isAtOne = false
  let onCalm: (() => void)[] = []

  /** Returns whether its queue is through with it. */
  function* sendOn(one: Dying): Generator<void, boolean> {
    const { queue, entry } = one
    if (queue.isGone()) return true
    try {
      const isDone = yield* publishOn(one)
      if (isDone) queue.ack(entry)
      return isDone
    } catch (error) {
      vhost.setAside(queue, entry, error)
      return true
    }
  }

  /** Returns whether the message may go: it is where it was to go, or nowhere and that is as good. */
  function* publishOn(one: Dying): Generator<void, boolean> {
    const { queue, entry, reason, taken } = one
    const level = passedLevel(queue, entry)
    const accepted = yield* level === undefined ? send(one, letterOf(queue, entry, reason)) : passOn(one, level)
    return queue.options.deadLetterStrategy === 'at-most-once' || (accepted && taken.size > 0)
  }

  /** Down the delay network nothing is noted. What leads up again may be a circle: there it dies as anywhere else. */
  function* passOn(one: Dying, level: number): Generator<void, boolean> {
    const { queue, entry, reason } = one
    let leadsUp = false
    function isUp(name: string): boolean {
      const isOne = (delayLevel(name) ?? -1) >= level
      leadsUp ||= isOne
      return isOne
    }
    const accepted = yield* send(one, passingOn(queue, entry), (name) => !isUp(name))
    if (!leadsUp) return accepted
    return (yield* send(one, letterOf(queue, entry, reason), isUp)) && accepted
  }

  /** Returns whether no queue that it is for has refused it. */
  function* send(
    { queue, taken }: Dying,
    { publication, deaths }: Letter,
    isFor: (name: string) => boolean = () => true,
  ): Generator<void, boolean> {
    const { deadLetterExchange = '', deadLetterStrategy } = queue.options
    if (!vhost.exchangeExists(deadLetterExchange)) return false
    const round = cycles(deaths)
    const isAllowed = (name: string) => isFor(name) && !taken.has(name) && !round.has(name)
    const onTaken = deadLetterStrategy === 'at-least-once' ? (name: string) => taken.add(name) : undefined
    return yield* vhost.publish({ ...publication, isAllowed, onTaken }).steps
  }

  /** Sends on what has died, and what dies of that. */
  function* sendAll(): Generator<void> {
    for (let next = dying.shift(); next; next = dying.shift()) {
      yield* typeof next === 'function' ? act(next) : sendOne(next)
      // Another one may send on meanwhile, and pass the mark itself.
      if (onCalm.length > 0 && dying.length <= CALM_COUNT) calm()
      yield
    }
  }

  function* act(action: () => void): Generator<void> {
    atOne(() => attempt(onFault, action))
  }

  function* sendOne(one: Dying): Generator<void> {
    const steps = sendOn(one)
    let step = atOne(() => steps.next())
    for (; !step.done; step = atOne(() => steps.next())) yield
    if (!step.value) wait(one)
  }

  /** What dies of it is sent on by whoever does it. */
  function atOne<T>(action: () => T): T {
    isAtOne = true
    try {
      return action()
    } finally {
      isAtOne = false
    }
  }

  function calm(): void {
    const actions = onCalm
    onCalm = []
    for (const action of actions) action()
  }

  function wait(one: Dying): void {
    const { queue, entry } = one
    queue.retain(entry)
    const others = waiting.get(queue)
    if (others) return void others.push(one)
    waiting.set(queue, [one])
    later(retryMs, onFault, () => slices.run(queue, retry(queue)))
  }

  function* retry(queue: Queue): Generator<void> {
    const all = waiting.get(queue) ?? []
    waiting.delete(queue)
    for (const one of all) {
      // Nor is there anything to be read of them.
      if (queue.isGone()) return
      queue.letGo(one.entry)
      if (!(yield* sendOn(one))) wait(one)
      yield
    }
  }

  function start(): void {
    if (isHeld || isAtOne || dying.length === 0) return
    // Before the next step of what they died of, which may be the death of more.
    if (slices.isRunning) return void slices.run(owner, sendAll())
    while (!isSending && dying.length > 0) {
      isSending = true
      isSending = !slices.run(owner, sendAll(), () => {
        isSending = false
        start()
      })
    }
  }

  return {
    deadLetter(queue, entry, reason) {
      if (queue.options.deadLetterExchange === undefined) return void queue.ack(entry)
      dying.push({ queue, entry, reason, taken: new Set() })
      start()
    },

    afterwards(action) {
      if (dying.length === 0 && !isAtOne) return action()
      dying.push(action)
      start()
    },

    pressure: {
      isBusy: () => dying.length >= BUSY_COUNT,
      whenCalm: (action) => void onCalm.push(action),
    },

    hold(action) {
      if (isHeld) return action()
      isHeld = true
      try {
        return action()
      } finally {
        isHeld = false
        start()
      }
    },
  }
}
