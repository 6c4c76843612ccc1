// What Warren's workers share: their handlers wait until they are told to take, as if there were no worker.
import { answerCalls } from './host.ts'
import { createTally, type Tally } from './tally.ts'

export interface Gate {
  readonly tally: Tally
  /** What a handler has to wait for first; undefined while the worker takes. */
  readonly closed: Promise<void> | undefined
}

/** Answers the parent's calls to take. */
export function createGate(): Gate {
  const tally = createTally()
  let closed: Promise<void> | undefined
  let open = () => {}
  close()

  function close(): void {
    closed = new Promise((resolve) => {
      open = resolve
    })
  }

  async function take(_queue: string, count: number, skip?: number) {
    const taken = tally.take(count, skip)
    closed = undefined
    open()
    const result = await taken
    close()
    return result
  }

  answerCalls({ take, takeRetried: take }, { exits: false })
  return {
    tally,
    get closed() {
      return closed
    },
  }
}
