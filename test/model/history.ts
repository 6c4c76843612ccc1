// A random history: messages, and what happens to the processes, the connections and the broker meanwhile.
import { randomFrom } from '../helpers/random.ts'
import { add, FLAVOURS, SimBroker } from './broker.ts'
import { check, type Kind, type Report } from './check.ts'
import { type Cell, Instance, type Run } from './instance.ts'
import type { SimLink } from './link.ts'

/** Milliseconds that all may take to come to rest. */
const PATIENCE = 60_000

export async function playHistory(seed: number): Promise<Report> {
  const random = randomFrom(seed)
  const upTo = (n: number) => Math.floor(random() * n)
  const pick = <T>(from: readonly T[]) => from[upTo(from.length)] as T
  const broker = new SimBroker(pick(FLAVOURS))
  const attempts = 1 + upTo(4)
  const concurrency = pick([1, 2, 3, 5, 8])
  const count = 1 + upTo(20)
  /** How soon handlers end. */
  const pace = pick([0.03, 0.2, 1])
  const kinds = new Map<string, Kind>()
  const starts = new Map<string, number>()
  const exploded = new Set<string>()
  const successes = new Map<string, number>()
  /** Attempts that a message has failed itself. */
  const blames = new Map<string, number>()
  const events = new Map<string, number>()
  const faults = broker.faults
  const instances: Instance[] = []
  const closing: { link: SimLink; all: boolean }[] = []
  /** What an ended handler left behind. */
  const bombs: { instance: Instance; cell: Cell | undefined }[] = []

  for (let n = 0; n < count; n++) {
    const id = `${n}`
    const dice = random()
    kinds.set(id, dice < 0.6 ? 'good' : dice < 0.75 ? 'bad' : dice < 0.9 ? 'poison' : 'bomb')
    broker.ready.queue.push({ id, attempt: 1, headers: {}, returns: 0, redelivered: false })
  }
  for (let n = 1 + upTo(3); n > 0; n--) start()
  // Some without a disturbance: then nothing may happen twice at all.
  let left = random() < 0.2 ? 0 : upTo(40)

  while (left > 0) {
    broker.step++
    if (random() < 0.08) {
      disturb()
      left--
    } else work()
    await turn()
  }
  const restBy = performance.now() + PATIENCE
  while (!isAtRest()) {
    broker.step++
    calm()
    // Where there is nothing to do, something waits for its time.
    if (!work()) await new Promise((resolve) => setTimeout(resolve, 5))
    await turn()
    if (performance.now() > restBy) {
      faults.push(`not at rest: ${JSON.stringify(state())}`)
      break
    }
  }
  for (const instance of instances) instance.die()
  return { seed, events: Object.fromEntries(events), ...check({ broker, kinds, attempts, successes, blames }) }

  function start(): void {
    const instance = new Instance({ broker, concurrency, attempts, onRun })
    instance.connectToConsume()
    instance.connectToPublish()
    instances.push(instance)
  }

  function onRun({ id, attempt, instance, cell }: Run): void {
    add(starts, id, 1)
    // Two that live on are two messages.
    if ((broker.windows.get(id) ?? 0) > 0) return
    const others = [...instance.runs].filter((run) => run.id === id && run.attempt.attempt === attempt.attempt)
    if (others.length > 0) faults.push(`${id} runs twice at once in one instance`)
    if (cell && kinds.get(id) === 'poison' && attempt.deaths > 0 && cell.given.length > 1) {
      faults.push(`${id} has ended a process before and is not alone`)
    }
  }

  /** Lets one thing go on. @returns whether there was anything */
  function work(): boolean {
    const from = upTo(1_000)
    const doings = [handOut, arriveAtBroker, arriveAtClient, stepCells, endHandler, comeDue, explode, closeAtBroker]
    return doings.some((_, n) => (doings[(from + n) % doings.length] as () => boolean)())
  }
  function handOut(): boolean {
    return shuffled([...broker.channels]).some((channel) => broker.deliver(channel))
  }
  function arriveAtBroker(): boolean {
    return shuffled(instances).some((one) => {
      const links = broker.hasAlarm ? [one.consuming] : [one.consuming, one.publishing]
      return shuffled(links).some((link) => link?.atBroker())
    })
  }
  function arriveAtClient(): boolean {
    return shuffled(instances).some((one) => shuffled([one.consuming, one.publishing]).some((link) => link?.atClient()))
  }
  function stepCells(): boolean {
    return shuffled(instances).some((one) => shuffled([...one.cells]).some((cell) => one.stepCell(cell)))
  }
  function comeDue(): boolean {
    if (broker.delayed.length === 0) return false
    broker.due(upTo(broker.delayed.length))
    return true
  }
  function closeAtBroker(): boolean {
    const one = closing.shift()
    one?.link.endAtBroker(one.all)
    return one !== undefined
  }
  function explode(): boolean {
    const bomb = bombs.shift()
    if (!bomb) return false
    if (bomb.cell) bomb.instance.endCell(bomb.cell, 'SIGSEGV')
    else if (!bomb.instance.isOver) kill(bomb.instance)
    return true
  }

  function endHandler(): boolean {
    if (random() > pace && left > 0) return false
    const running = instances.flatMap(({ runs }) => [...runs])
    const run = running.length > 0 ? pick(running) : undefined
    if (!run) return false
    const { id, instance, cell } = run
    const kind = kinds.get(id) as Kind
    if (run.signals.lost.aborted && random() < 0.5) Instance.fail(run, 'aborted')
    else if (kind === 'poison') {
      if (cell?.given.length === 1) add(blames, id, 1)
      if (cell) instance.endCell(cell, 'SIGSEGV')
      else kill(instance)
    } else if (kind === 'bad') {
      add(blames, id, 1)
      Instance.fail(run, 'it fails')
    } else {
      if (kind === 'bomb' && !exploded.has(id)) bombs.push({ instance, cell })
      exploded.add(id)
      add(successes, id, 1)
      run.done({ status: 'done', result: undefined })
    }
    return true
  }

  function kill(instance: Instance): void {
    instance.die()
    for (const link of [instance.consuming, instance.publishing]) if (link) closing.push({ link, all: random() < 0.5 })
    replace(instance)
  }
  function replace(instance: Instance): void {
    instances.splice(instances.indexOf(instance), 1)
    start()
  }

  function disturb(): void {
    const instance = pick(instances)
    const what = pick(['cut', 'half', 'late', 'freeze', 'publishing', 'kill', 'alarm', 'drain', 'deadline'] as const)
    add(events, what, 1)
    const { consuming, publishing } = instance
    if (what === 'kill') kill(instance)
    else if (what === 'alarm') setAlarm(!broker.hasAlarm)
    else if (what === 'drain' || what === 'deadline') drain(instance, what === 'deadline')
    else if (what === 'publishing') {
      publishing?.endAtClient()
      publishing?.endAtBroker(random() < 0.5)
    } else if (what === 'freeze' && consuming) consuming.isFrozen = true
    else if (what === 'half') consuming?.endAtBroker(random() < 0.5)
    else {
      // A worker that notices first leaves the broker to find out later.
      consuming?.endAtClient()
      if (consuming && what === 'late') closing.push({ link: consuming, all: random() < 0.5 })
      else consuming?.endAtBroker(random() < 0.5)
    }
    mend(false)
  }

  function setAlarm(hasAlarm: boolean): void {
    broker.hasAlarm = hasAlarm
    for (const instance of instances) instance.block(hasAlarm)
  }

  function drain(instance: Instance, isOver: boolean): void {
    if (instance.isDraining) return
    const deadline = isOver ? AbortSignal.abort() : AbortSignal.timeout(PATIENCE)
    void instance.drain(deadline).then(() => {
      for (const link of [instance.consuming, instance.publishing]) if (link) closing.push({ link, all: true })
      if (instances.includes(instance)) replace(instance)
    })
  }

  /** Connects what has noticed that its connection is lost. */
  function mend(all: boolean): void {
    for (const instance of instances) {
      // One that drains sends what it has failed, and takes nothing new.
      if (!instance.isDraining && !instance.consuming?.isClientOpen && (all || random() < 0.7))
        instance.connectToConsume()
      if (!instance.publishing?.isClientOpen && (all || random() < 0.7)) instance.connectToPublish()
    }
  }

  /** Ends what disturbs: alarms clear, and dead connections are noticed. */
  function calm(): void {
    if (broker.hasAlarm) setAlarm(false)
    for (const { consuming } of instances) {
      if (!consuming) continue
      const isHalf = consuming.isFrozen || (consuming.isClientOpen && consuming.isOverAtBroker)
      if (isHalf) {
        consuming.isFrozen = false
        consuming.endAtBroker(false)
        consuming.endAtClient()
      }
    }
    mend(true)
  }

  function state() {
    const { queue, suspects, dead } = broker.ready
    const waiting = [queue, suspects, dead].map((letters) => letters.map(({ id }) => id))
    const unacked = [...broker.channels].map((channel) => channel.unacked.size)
    const processes = instances.map((one) => ({
      runs: [...one.runs].map(({ id, cell }) => `${id}${cell ? ' sandbox' : ''}`),
      cells: [...one.cells].map(({ isReady, given, inbox }) => ({ isReady, given, inbox: inbox.length })),
      inProgress: one.processor.inProgress,
      isDraining: one.isDraining,
      links: [one.consuming, one.publishing].map((link) => [link?.isClientOpen, link?.isOverAtBroker, link?.isIdle]),
    }))
    return { waiting, unacked, processes, delayed: broker.delayed.length, closing: closing.length, bombs: bombs.length }
  }

  function isAtRest(): boolean {
    const isIdle = instances.every((one) => {
      const links = [one.consuming, one.publishing]
      return (
        one.runs.size === 0 && !one.isDraining && one.processor.inProgress === 0 && links.every((link) => link?.isIdle)
      )
    })
    return isIdle && broker.isEmpty && closing.length === 0 && bombs.length === 0
  }

  function shuffled<T>(items: readonly T[]): T[] {
    const at = items.length > 0 ? upTo(items.length) : 0
    return [...items.slice(at), ...items.slice(0, at)]
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
