// How every sender sends: many at a time, or at a steady pace.
import { quantile } from '../statistics.ts'
import { now, type Payload, payloadOf } from './payload.ts'

/** How many sends of one sender wait for their confirms at once. */
export const IN_FLIGHT = 1_000

/** Sends so many, each loop one at a time, as a server's requests do. @returns milliseconds until all were confirmed */
export async function sendMany(count: number, send: () => Promise<unknown>, loops = IN_FLIGHT): Promise<number> {
  const start = now()
  let sent = 0
  async function sendOn(): Promise<void> {
    while (sent < count) {
      sent++
      await send()
    }
  }
  await Promise.all(Array.from({ length: Math.min(loops, count) }, sendOn))
  return now() - start
}

export interface Called {
  /** Milliseconds until all were answered. */
  readonly ms: number
  /** Milliseconds that a call took. */
  readonly p50: number
}

/** Calls so many times, each caller one at a time. */
export async function callMany(count: number, callers: number, call: () => Promise<unknown>): Promise<Called> {
  const times: number[] = []
  async function timeOne(): Promise<void> {
    const start = now()
    await call()
    times.push(now() - start)
  }
  const ms = await sendMany(count, timeOne, callers)
  return { ms, p50: quantile(times, 0.5) }
}

/** Sends so many at a steady pace; resolves when all were confirmed. */
export async function sendSteadily(count: number, perSecond: number, send: () => Promise<unknown>): Promise<void> {
  const confirms: Promise<unknown>[] = []
  await new Promise<void>((resolve) => {
    const start = now()
    const timer = setInterval(function sendWhatIsDue() {
      const due = Math.min(count, ((now() - start) * perSecond) / 1_000)
      while (confirms.length < due) confirms.push(send())
      if (confirms.length < count) return
      clearInterval(timer)
      resolve()
    }, 1)
  })
  await Promise.all(confirms)
}

/** What every peer offers whose one way to send is a promise of the confirm. */
export function sendersOf(send: (queue: string, data: Payload) => Promise<unknown>) {
  return {
    publish(queue: string, count: number, bytes: number) {
      const data = payloadOf(bytes)
      return sendMany(count, () => send(queue, data))
    },

    pace(queue: string, count: number, perSecond: number, bytes: number) {
      const data = payloadOf(bytes)
      return sendSteadily(count, perSecond, () => send(queue, data))
    },
  }
}
