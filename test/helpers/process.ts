import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'

/** How a process ended. */
export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A child process whose output is captured. */
export interface Running {
  readonly pid: number
  readonly child: ChildProcess
  /** All that it wrote so far, both streams in order of arrival. */
  readonly output: string
  readonly stdout: string
  readonly stderr: string
  /** Resolves when it has ended and all of its output was read. */
  readonly exited: Promise<Exit>
  /**
   * Resolves with the match once the output has one, from its beginning on.
   * @throws when the process ends without one, or after `timeout` milliseconds (default 60 seconds)
   */
  outputs(pattern: RegExp, timeout?: number): Promise<RegExpMatchArray>
  /**
   * Ends it: by the signal, and by SIGKILL if that has not ended it after `grace` milliseconds (default 10 seconds).
   * Resolves when it has ended; at once if it has already.
   */
  end(signal?: NodeJS.Signals, grace?: number): Promise<Exit>
}

/** Not by the PATH: a test may take that away. */
export const ENV = '/usr/bin/env'

/**
 * The arguments of `env` that keep tap out of a program: tap adds its module loader to NODE_OPTIONS behind the back of
 * whoever spawns, and under that loader programs are slow, and some fail.
 */
export function withoutTap({ NODE_OPTIONS }: NodeJS.ProcessEnv = {}): string[] {
  return NODE_OPTIONS === undefined ? ['-u', 'NODE_OPTIONS'] : [`NODE_OPTIONS=${NODE_OPTIONS}`]
}

/** Starts a program. The caller ends it, in a teardown: `t.teardown(() => running.end())`. */
export function run(command: string, args: readonly string[] = [], options: SpawnOptions = {}): Running {
  const child = spawn(ENV, [...withoutTap(options.env), command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
  const chunks = { all: '', stdout: '', stderr: '' }
  const waiting = new Set<() => void>()

  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', function collect(text: string) {
      chunks.all += text
      chunks[name] += text
      for (const look of waiting) look()
    })
  }

  let ended: Exit | undefined
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`Could not run ${command}: ${error.message}`, { cause: error })))
    child.once('close', (code, signal) => {
      // How `env` says that there is no such program.
      if (code === 127 && chunks.stderr.startsWith(`${ENV}: `)) reject(new Error(`Could not run ${command}`))
      ended = { code, signal }
      for (const look of waiting) look()
      resolve(ended)
    })
  })
  // Whoever awaits it gets the rejection; without anyone it must not end the test process.
  exited.catch(() => {})

  return {
    child,
    exited,
    get pid() {
      if (child.pid === undefined) throw new Error(`${command} did not start`)
      return child.pid
    },
    get output() {
      return chunks.all
    },
    get stdout() {
      return chunks.stdout
    },
    get stderr() {
      return chunks.stderr
    },

    outputs(pattern, timeout = 60_000) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => settle(`did not output it within ${timeout} ms`), timeout)
        waiting.add(look)
        exited.catch(reject)
        look()

        function look(): void {
          const match = chunks.all.match(pattern)
          if (match) settle(match)
          else if (ended) settle(`ended with ${ended.signal ?? `code ${ended.code}`} without it`)
        }

        function settle(result: RegExpMatchArray | string): void {
          clearTimeout(timer)
          waiting.delete(look)
          if (typeof result !== 'string') resolve(result)
          else reject(new Error(`Waited for ${pattern}: ${command} ${result}. Its output:\n${chunks.all || '(none)'}`))
        }
      })
    },

    async end(signal = 'SIGTERM', grace = 10_000) {
      if (!ended) child.kill(signal)
      const timer = setTimeout(() => child.kill('SIGKILL'), grace)
      try {
        return await exited
      } finally {
        clearTimeout(timer)
      }
    },
  }
}

/** Runs a program to its end. */
export async function runToEnd(
  command: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): Promise<Exit & { output: string; stdout: string; stderr: string }> {
  const running = run(command, args, options)
  const exit = await running.exited
  return { ...exit, output: running.output, stdout: running.stdout, stderr: running.stderr }
}

/** Whether a process of that id is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
