import type { ProcessState } from '../base/state.ts'
import type { Running } from './plan.ts'
import type { Instance, Pm2, Pm2Event } from './pm2.ts'

/** Milliseconds until what pm2 lists is looked at again, whether or not it has told of a change. */
const LIST_EVERY = 10_000

/** Milliseconds that an instance counts as busy after it has taken a message, however soon that was done. */
const BUSY = 1_000

/** What pm2 runs of the project, kept up to date by what pm2 and the processes tell. */
export interface Instances {
  /** Reads pm2's list anew, if something may have changed. */
  refresh(force?: boolean): Promise<void>
  /** All processes of one app; empty: pm2 does not know it. */
  of(name: string): readonly (Instance & { state: ProcessState | undefined })[]
  /** The same as the plan sees them. */
  running(name: string): Running[]
  /**
   * From now on it counts as one that takes no more messages, until its process ends: pm2 starts another one in its
   * place, which takes messages, if it was not told to end.
   */
  markQuiet(id: number): void
}

/**
 * @param own picks the project's processes
 * @param onStop told when somebody has told pm2 to stop an app
 */
export async function trackInstances(
  pm2: Pick<Pm2, 'list' | 'listen' | 'askState' | 'quiet'>,
  own: (all: readonly Instance[]) => Instance[],
  onChange: () => void,
  onStop: (name: string) => void,
): Promise<Instances> {
  const states = new Map<number, ProcessState & { pid?: number }>()
  /** By instance, the process that is to take no more messages. The next one of that instance has not been told. */
  const quiet = new Map<number, number>()
  const busyUntil = new Map<number, number>()
  // Asked for by name many times a second.
  let instances = new Map<string, Instance[]>()
  let isStale = true
  let listedAt = Number.NEGATIVE_INFINITY
  await pm2.listen(onEvent)

  function onEvent(event: Pm2Event): void {
    if (event.kind === 'log') return
    if (event.kind === 'state') {
      const before = states.get(event.id)
      states.set(event.id, event.state)
      if ((event.state.taken ?? 0) > (before?.taken ?? 0)) busyUntil.set(event.id, performance.now() + BUSY)
      // How much is in progress is looked at soon enough: each instance tells it several times a second.
      if (before?.status === event.state.status && before.status !== 'quiet') return
    } else isStale = true
    // What comes back is another process, whatever this one has said or was told, and before it is in pm2's list.
    if (event.kind === 'exit') for (const known of [states, quiet, busyUntil]) known.delete(event.id)
    if (event.kind === 'stop' && named(event.name).some(({ id }) => id === event.id)) onStop(event.name)
    onChange()
  }

  function named(name: string): readonly Instance[] {
    return instances.get(name) ?? []
  }

  // What a process before it has told is not its own word.
  function stateOf({ id, pid }: Instance): ProcessState | undefined {
    const state = states.get(id)
    return state?.pid === pid ? state : undefined
  }

  function runningOf(instance: Instance): Running {
    const state = stateOf(instance)
    const { id, status } = instance
    if (status === 'stopped') return { id, phase: 'asleep', inProgress: 0 }
    const isQuiet = quiet.get(id) === instance.pid || state?.status === 'quiet'
    // It may have taken messages before it heard: only its own word counts.
    // And pm2 brings back what it ends before it has taken note that it was ready.
    const isToldBy = state?.status === 'quiet' && status !== 'launching'
    // One that has crashed has given back what it had, until pm2 has started it anew.
    const isDown = status === 'waiting restart' || status === 'errored'
    const told = isDown ? 0 : isQuiet && !isToldBy ? undefined : state?.inProgress
    // Messages that are quickly done are never seen in progress, however many there are.
    const isBusy = !isQuiet && (busyUntil.get(id) ?? 0) > performance.now()
    const inProgress = told === 0 && isBusy ? 1 : told
    // One that is stopping, and was not told to be quiet, may be on its way back: somebody restarts it.
    return { id, phase: isQuiet ? 'quiet' : 'live', inProgress, isReady: state?.status === 'ready' && !isQuiet }
  }

  return {
    async refresh(force = false) {
      if (!force && !isStale && performance.now() - listedAt < LIST_EVERY) return
      isStale = false
      const listed = own(await pm2.list())
      instances = new Map()
      for (const instance of listed) instances.set(instance.name, [...named(instance.name), instance])
      listedAt = performance.now()
      const ids = new Set(listed.map(({ id }) => id))
      for (const known of [states, busyUntil, quiet]) for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
      for (const instance of listed) {
        if (instance.status !== 'online') continue
        const state = stateOf(instance)
        if (!state) void pm2.askState(instance.id)
        // What it was told while it did not run yet is lost.
        if (quiet.get(instance.id) === instance.pid && state?.status !== 'quiet') void pm2.quiet(instance.id)
      }
    },
    of: (name) => named(name).map((one) => ({ ...one, state: stateOf(one) })),
    running: (name) => named(name).map(runningOf),
    markQuiet(id) {
      const instance = [...instances.values()].flat().find((one) => one.id === id)
      if (instance) quiet.set(id, instance.pid)
    },
  }
}
