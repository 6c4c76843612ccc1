// Sends HTTP requests, in a process of its own.
import type { EventEmitter } from 'node:events'
import { quantile } from '../statistics.ts'
import { answerCalls } from './host.ts'
import { importInstalled } from './installed.ts'
import { now, payloadOf } from './payload.ts'

/** What is used of it: it emits `response` with the client, the status, the bytes and the milliseconds. */
type Autocannon = (options: object) => EventEmitter & PromiseLike<{ errors: number; timeouts: number }>

export interface Load {
  /** Requests a second, from the first request to the last answer. */
  readonly rate: number
  /** Milliseconds from a request to its answer. */
  readonly p50: number
  readonly p99: number
}

const autocannon = importInstalled<Autocannon>('autocannon')

answerCalls({
  /** @throws if an answer is anything but 202 */
  async post(url: string, amount: number, connections: number, bytes: number): Promise<Load> {
    const times: number[] = []
    const odd: number[] = []
    let [start, last] = [0, 0]
    const run = autocannon({
      url,
      amount,
      connections: Math.min(connections, amount),
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(payloadOf(bytes)),
      // Whoever does not answer is not asked for ever.
      bailout: 1,
      // How often it looks whether it is done.
      sampleInt: 100,
    })
    start = now()
    run.on('response', function onResponse(_client, status: number, _bytes, ms: number) {
      last = now()
      times.push(ms)
      if (status !== 202) odd.push(status)
    })
    const { errors, timeouts } = await run
    if (odd.length > 0) throw new Error(`expected 202 of ${amount} requests, found ${odd.length} others, as ${odd[0]}`)
    if (errors + timeouts > 0 || times.length !== amount) {
      throw new Error(`expected ${amount} answers, found ${times.length}; ${errors} errors, ${timeouts} timeouts`)
    }
    return { rate: amount / ((last - start) / 1_000), p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
  },
})
