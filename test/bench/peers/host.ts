// A peer's process, told by its parent what to do.

/** What a process does when it is called, by name. */
export type Calls = Record<string, (...args: never[]) => Promise<unknown> | unknown>

/** A call on its way to a peer's process. */
export interface Call {
  readonly call: number
  readonly name: string
  readonly args: readonly unknown[]
}

/** And what it answers; call 0 is its start. */
export interface Answer {
  readonly call: number
  readonly value?: unknown
  readonly error?: string
}

/**
 * Answers the parent's calls until that has gone.
 * @param options.exits whether the process ends then; a worker's process has its own way to end
 */
export function answerCalls(calls: Calls, { exits = true }: { exits?: boolean } = {}): void {
  process.on('message', async function answer(message: Call) {
    if (typeof message !== 'object' || message === null || !('call' in message)) return
    const { call, name, args } = message
    try {
      const action = calls[name]
      if (!action) throw new Error(`expected one of ${Object.keys(calls).join(', ')}, found '${name}'`)
      process.send?.({ call, value: await action(...(args as never[])) } satisfies Answer)
    } catch (error) {
      process.send?.({ call, error: String((error as Error).stack ?? error) } satisfies Answer)
    }
  })
  if (exits) process.on('disconnect', () => process.exit())
  process.send?.({ call: 0 } satisfies Answer)
}
