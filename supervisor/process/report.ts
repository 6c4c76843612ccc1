import { type ProcessState, STATE_TOPIC } from '../base/state.ts'

export interface Report {
  readonly state: ProcessState
  /** Notes a new state and passes it on; resolves once the message has left this process. */
  set(state: ProcessState): Promise<void>
}

/**
 * Tells pm2 of this process's state: at every change on its bus, again whenever asked over `STATE_TOPIC`, and once as
 * the plain message `ready`, which is what pm2's `wait_ready` waits for. Without pm2 it only remembers.
 */
export function openReport(): Report {
  let state: ProcessState = { status: 'starting' }
  let announced = false

  process.on('message', function answer(message: unknown) {
    if ((message as { topic?: string } | null)?.topic === STATE_TOPIC) void tell()
  })

  function tell(): Promise<void> {
    return send({ type: STATE_TOPIC, data: { pid: process.pid, ...state } })
  }

  return {
    get state() {
      return state
    },
    async set(next) {
      state = next
      const told = tell()
      if (next.status === 'ready' && !announced) {
        announced = true
        await send('ready')
      }
      await told
    },
  }
}

function send(message: unknown): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected || !process.send) return resolve()
    // A daemon that is gone is not this message's problem: 'disconnect' drains the process.
    process.send(message, undefined, undefined, () => resolve())
  })
}
