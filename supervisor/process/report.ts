import { type ProcessState, STATE_TOPIC } from '../base/state.ts'

export interface Report {
  readonly state: ProcessState
  /** Notes a new state and passes it on; resolves once the message has left this process. */
  set(state: ProcessState): Promise<void>
  /** Notes how many messages are in progress, and passes it on soon. */
  setInProgress(count: number): void
}

/** Milliseconds between two messages of how much is in progress, at least. */
const LOAD_EVERY = 200

/**
 * Tells pm2 of this process's state: at every change on its bus, again whenever asked over `STATE_TOPIC`, and once as
 * the plain message `ready`, which is what pm2's `wait_ready` waits for. Without pm2 it only remembers.
 */
export function openReport(): Report {
  let state: ProcessState = { status: 'starting' }
  let announced = false
  let inProgress: number | undefined
  let taken = 0
  let lastTold: string | undefined
  let timer: NodeJS.Timeout | undefined

  process.on('message', function answer(message: unknown) {
    if ((message as { topic?: string } | null)?.topic === STATE_TOPIC) void tell()
  })

  function tell(): Promise<void> {
    lastTold = load()
    return send({
      type: STATE_TOPIC,
      data: { pid: process.pid, ...state, ...(inProgress !== undefined && { inProgress, taken }) },
    })
  }

  function load(): string {
    return `${inProgress} ${taken}`
  }

  // The first change at once, and then one every so often: a worker may handle thousands of messages meanwhile.
  function tellLoad(): void {
    timer = undefined
    if (load() === lastTold) return
    void tell()
    timer = setTimeout(tellLoad, LOAD_EVERY)
    timer.unref()
  }

  return {
    get state() {
      return state
    },
    async set(next) {
      state = next
      const told = tell()
      // One that is told to be quiet before it is ready has started all the same.
      if ((next.status === 'ready' || next.status === 'quiet') && !announced) {
        announced = true
        await send('ready')
      }
      await told
    },
    setInProgress(count) {
      taken += Math.max(count - (inProgress ?? 0), 0)
      inProgress = count
      timer ??= setTimeout(tellLoad, 0)
    },
  }
}

function send(message: unknown): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected || !process.send) return resolve()
    try {
      // A daemon that is gone is not this message's problem: 'disconnect' drains the process.
      process.send(message, undefined, undefined, () => resolve())
    } catch {
      // It went between the two lines.
      resolve()
    }
  })
}
