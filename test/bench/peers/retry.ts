// The common recipe of a retry on RabbitMQ without Warren: a failed message is published to a queue where it waits for its
// time to live to end, and which then dead-letters it back to the queue that it came from.

/** Milliseconds between two attempts, on every side. */
export const RETRY_DELAY = 100

export const ATTEMPT_HEADER = 'x-attempt'

/** The queue where messages of a queue wait. */
export function waitQueue(queue: string): string {
  return `${queue}.wait`
}

export function waitArguments(queue: string) {
  return {
    'x-queue-type': 'quorum' as const,
    'x-message-ttl': RETRY_DELAY,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': queue,
  }
}

/** Counted from 1. */
export function attemptOf(headers: Readonly<Record<string, unknown>> | undefined): number {
  return Number(headers?.[ATTEMPT_HEADER] ?? 1)
}
