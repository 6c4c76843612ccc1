import { recordOf } from '../../supervisor/base/error-record.ts'
import type { Headers, Incoming } from '../../supervisor/base/message.ts'
import type { Outcome, Runner } from '../../supervisor/execution/attempt.ts'
import { createProcessor } from '../../supervisor/execution/processor.ts'
import { collect } from './collect.ts'
import { testLog } from './messaging.ts'

/** A handler that has started. */
export interface Started {
  readonly id: string
  readonly attempt: number
  /** In the process itself, or in the sandbox. */
  readonly where: string
  readonly lost: AbortSignal
  end(result?: string): void
  fail(error: unknown): void
  /** Ends it to nobody's blame. */
  giveUp(): void
}

export interface StageOptions {
  concurrency?: number
  attempts?: number
  retry?: (headers: Headers, delayMs: number) => Promise<void>
  deadLetter?: (bare: boolean) => Promise<void>
  onPrefetch?: (prefetch: number) => void
}

/** A processor whose handlers the test ends, and whose settlements it sees. */
export function stage({
  concurrency = 10,
  attempts = 1,
  retry = async () => {},
  deadLetter = async () => {},
  onPrefetch = () => {},
}: StageOptions = {}) {
  const started = collect<Started>('started handlers')
  const settled = collect<string>('settlements')
  const letters: Headers[] = []
  const replies: unknown[][] = []
  const runnerIn = (where: string): Runner => ({
    run({ id, attempt }, { stop, lost }, onEnd) {
      let isOver = false
      function done(outcome: Outcome): void {
        if (!isOver) onEnd(outcome)
        isOver = true
      }
      stop.addEventListener('abort', () => done({ status: 'stopped' }))
      started.push({
        id,
        attempt,
        where,
        lost,
        end: (result) => done({ status: 'done', result }),
        fail: (error) => done({ status: 'failed', error: recordOf(error) }),
        giveUp: () => done({ status: 'stopped' }),
      })
    },
    close: async () => {},
  })
  const processor = createProcessor({
    worker: 'w',
    concurrency,
    attempts,
    backoff: { type: 'fixed', delay: 200, maxDelay: 200, jitter: 0 },
    runner: runnerIn('process'),
    sandbox: runnerIn('sandbox'),
    log: testLog().log,
    async isolate({ id }) {
      settled.push(`isolate ${id}`)
    },
    retry: (_, headers, { delayMs }) => retry(headers, delayMs),
    async deadLetter(_, headers, { bare }) {
      await deadLetter(bare)
      letters.push(headers)
    },
    async reply(to, body, errorName) {
      replies.push([to.to, body.toString(), errorName])
    },
    onPrefetch,
  })
  const lost = new AbortController()
  const message = (id: string, reply?: Incoming['reply'], more: Partial<Incoming> = {}): Incoming => ({
    queue: 'q',
    suspects: 'q.suspects',
    isSuspect: false,
    returns: 0,
    redelivered: false,
    deaths: 0,
    deadLetters: 'q.dead',
    id,
    attempt: 1,
    requestId: undefined,
    body: Buffer.from('{}'),
    properties: { headers: {} },
    raw: undefined,
    unreadable: [],
    reply,
    lost: lost.signal,
    held: async () => true,
    ack: () => settled.push(`ack ${id}`),
    requeue: () => settled.push(`requeue ${id}`),
    ...more,
  })
  return { processor, started, settled, letters, replies, message, lost }
}
