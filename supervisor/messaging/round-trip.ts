/**
 * Asks the other end a question that many want an answer to: all that ask in one turn of the event loop share one.
 * @param ask resolves when the other end has answered
 * @returns resolves with whether it has; what asks gets an answer that was sent after it had asked
 */
export function createRoundTrip(ask: () => Promise<unknown>): () => Promise<boolean> {
  let next: Promise<boolean> | undefined

  async function atTheEndOfTheTurn(): Promise<boolean> {
    await new Promise(setImmediate)
    next = undefined
    try {
      await ask()
      return true
    } catch {
      return false
    }
  }

  return function roundTrip() {
    next ??= atTheEndOfTheTurn()
    return next
  }
}
