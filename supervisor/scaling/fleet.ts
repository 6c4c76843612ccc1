import type { ProcessState } from '../base/state.ts'
import type { Running } from './plan.ts'
import type { Instance, Pm2, Pm2Event } from './pm2.ts'

/** Milliseconds until what pm2 lists is looked at again, whether or not it has told of a change. */
const LIST_EVERY = 5_000

/** What pm2 runs of the project, kept up to date by what pm2 and the processes tell. */
export interface Instances {
  /** Reads pm2's list anew, if something may have changed. */
  refresh(force?: boolean): Promise<void>
  /** All processes of one app; empty: pm2 does not know it. */
  of(name: string): readonly (Instance & { state: ProcessState | undefined })[]
  /** The same as the plan sees them. */
  running(name: string): Running[]
  /** From now on it counts as one that takes no more messages. */
  markQuiet(id: number): void
}

/** @param own picks the project's processes */
export async function trackInstances(
  pm2: Pm2,
  own: (all: readonly Instance[]) => Instance[],
  onChange: () => void,
): Promise<Instances> {
  const states = new Map<number, ProcessState & { pid?: number }>()
  const quiet = new Set<number>()
  // Asked for by name many times a second.
  let instances = new Map<string, Instance[]>()
  let isStale = true
  let listedAt = 0
  await pm2.listen(onEvent)

  function onEvent(event: Pm2Event): void {
    if (event.kind === 'log') return
    if (event.kind === 'state') states.set(event.id, event.state)
    else isStale = true
    if (event.kind === 'exit') quiet.delete(event.id)
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
    const isQuiet = quiet.has(id) || state?.status === 'quiet'
    // It may have taken messages before it heard: only its own word counts.
    const inProgress = isQuiet && state?.status !== 'quiet' ? undefined : state?.inProgress
    return { id, phase: isQuiet || status === 'stopping' ? 'quiet' : 'live', inProgress }
  }

  return {
    async refresh(force = false) {
      if (!force && !isStale && Date.now() - listedAt < LIST_EVERY) return
      isStale = false
      const listed = own(await pm2.list())
      instances = new Map()
      for (const instance of listed) instances.set(instance.name, [...named(instance.name), instance])
      listedAt = Date.now()
      for (const instance of listed) {
        if (instance.status === 'online' && !stateOf(instance)) void pm2.askState(instance.id)
      }
    },
    of: (name) => named(name).map((one) => ({ ...one, state: stateOf(one) })),
    running: (name) => named(name).map(runningOf),
    markQuiet(id) {
      quiet.add(id)
    },
  }
}
