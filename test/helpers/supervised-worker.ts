import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Teardown } from './tmp.ts'

export interface SupervisedWorker {
  /** How often its process has ended by itself. */
  readonly ended: number
  /** The id of its process. */
  readonly pid: number | undefined
  /** Sends its process a message. */
  tell(message: string): void
  /** Ends its process without a chance to tidy up; another one is started. */
  kill(): void
  /** Ends it in good order, and starts none any more. */
  stop(): Promise<void>
}

export interface SupervisedOptions {
  /** The project's folder, compiled. */
  root: string
  name: string
  url: string
  /** More of its environment. */
  env?: NodeJS.ProcessEnv
  /** What its handlers tell by `process.send`. */
  onMessage?: (message: unknown) => void
}

/** Runs a worker's process, and another one each time that it has ended, as pm2 does. */
export function superviseWorker(
  t: Teardown,
  { root, name, url, env: more, onMessage }: SupervisedOptions,
): SupervisedWorker {
  const entry = join(process.cwd(), 'dist', 'supervisor', 'worker.js')
  // tap's loader is none of the worker's.
  const { NODE_OPTIONS: _, ...inherited } = process.env
  const env = { ...inherited, AMQP_URL: url, LOG_LEVEL: 'fatal', ...more }
  let ended = 0
  let stopped = false
  let child: ChildProcess = start()

  function start(): ChildProcess {
    const started = fork(entry, [name], { cwd: root, env, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    started.on('message', (message) => onMessage?.(message))
    started.on('exit', () => {
      if (stopped) return
      ended++
      child = start()
    })
    return started
  }

  const worker: SupervisedWorker = {
    get ended() {
      return ended
    },
    get pid() {
      return child.pid
    },
    tell: (message) => void child.send(message),
    kill: () => void child.kill('SIGKILL'),
    async stop() {
      if (stopped) return
      stopped = true
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
  t.teardown(worker.stop)
  return worker
}
