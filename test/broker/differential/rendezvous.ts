/** Where runs wait for each other, so that something happens once all of them are there. */
export interface Rendezvous {
  /** Resolves when all are there or have left, and the action is over. */
  arrive(): Promise<void>
  /** Is waited for no more. */
  leave(): void
}

export function rendezvous(count: number, action: () => Promise<void>): Rendezvous {
  const { promise, resolve, reject } = withResolvers()
  let missing = count

  function less(): void {
    if (--missing === 0) action().then(resolve, reject)
  }

  return {
    arrive() {
      less()
      return promise
    },
    leave: less,
  }
}

function withResolvers() {
  let resolve: () => void = () => undefined
  let reject: (error: unknown) => void = () => undefined
  const promise = new Promise<void>((done, failed) => {
    resolve = done
    reject = failed
  })
  return { promise, resolve, reject }
}
