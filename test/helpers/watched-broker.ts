import { fileURLToPath } from 'node:url'
import { run } from './process.ts'

const FIXTURE = fileURLToPath(new URL('../fixtures/broker/watched.js', import.meta.url))

/** What a broker's process has seen of itself since the report before. */
export interface WatchReport {
  /**
   * Milliseconds of processor time of its longest turn of the event loop: nobody is answered meanwhile. Other processes'
   * load has no part in it.
   */
  readonly turn: number
  /** Milliseconds by which its event loop was late at most, without what it waited for a processor. */
  readonly late: number
  /** Milliseconds of processor time that its main thread has used. */
  readonly cpu: number
  /** Bytes: resident now, at most, and in JavaScript's heap. */
  readonly rss: number
  readonly peak: number
  readonly heap: number
  /** Bytes of what is resident that are pages of files: of the program, and of the store that it has mapped. */
  readonly files: number
  /** Milliseconds from the process's beginning until it took connections: of its main thread's processor time, and in all. */
  readonly started: { readonly cpu: number; readonly wall: number }
}

/** The embedded broker in a process of its own that watches itself. */
export interface WatchedBroker {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** What it has logged as an error. */
  readonly faults: readonly string[]
  /** Set once it has ended: what it wrote. */
  readonly ended: string | undefined
  /** Resolves when it has ended. */
  readonly exited: Promise<unknown>
  /** What it has seen since the last call. Not answered as long as its event loop stands. @param collect garbage first */
  report(collect?: boolean): Promise<WatchReport>
  kill(): Promise<void>
  /** SIGTERM. @throws if it does not end in good order */
  stop(): Promise<void>
}

export interface WatchedOptions {
  folder: string
  port?: number
  execArgv?: readonly string[]
}

/**
 * Starts it and waits until it takes connections; the caller ends it.
 * @throws when it ends before, with what it has written
 */
export async function startWatchedBroker({ folder, port = 0, execArgv = [] }: WatchedOptions): Promise<WatchedBroker> {
  const args = [...execArgv, '--expose-gc', FIXTURE, folder, String(port)]
  const process_ = run(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  const faults: string[] = []
  const waiting: ((report: WatchReport) => void)[] = []
  let ended: string | undefined
  process_.child.on('message', (message: { fault?: string; report?: WatchReport }) => {
    if (message.fault !== undefined) faults.push(message.fault)
    if (message.report) waiting.shift()?.(message.report)
  })
  const [url] = await process_.outputs(/amqp:\S+/)
  const exited = process_.exited.then(({ code, signal }) => {
    ended = `it ended with ${signal ?? `code ${code}`}: ${process_.stderr.slice(-4_000) || '(nothing written)'}`
  })

  return {
    url,
    port: Number(new URL(url).port),
    pid: process_.pid,
    faults,
    exited,
    get ended() {
      return ended
    },
    report(collect = false) {
      if (ended !== undefined) return Promise.reject(new Error(ended))
      const answer = new Promise<WatchReport>((resolve) => waiting.push(resolve))
      // Where it can't be sent, the process is ending.
      process_.child.send({ collect }, () => {})
      const gone = exited.then(() => Promise.reject(new Error(ended)))
      return Promise.race([answer, gone])
    },
    async kill() {
      await process_.end('SIGKILL')
      await exited
    },
    async stop() {
      const { code, signal } = await process_.end('SIGTERM', 30_000)
      await exited
      if (code !== 0)
        throw new Error(`Expected the broker to end in good order, found ${signal ?? `code ${code}`}: ${ended}`)
    },
  }
}
