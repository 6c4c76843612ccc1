import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Teardown } from '../../helpers/tmp.ts'
import type { Answer } from './host.ts'

/** A peer in a process of its own. */
export interface Peer {
  readonly pid: number
  /** Rejects when it has ended. */
  readonly died: Promise<never>
  /** Calls what it offers by that name, and resolves with its answer. */
  call<T = unknown>(name: string, ...args: readonly unknown[]): Promise<T>
  end(): Promise<void>
}

export interface PeerOptions {
  /** What to run. @default the file of that name in this folder */
  file?: string
  args?: readonly string[]
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Resolves when it has said this. @default its answer to call 0 */
  ready?: unknown
  /** Told of whatever it says beside its answers. */
  onMessage?: (message: unknown) => void
  /** An open file for its standard output. @default nowhere */
  stdout?: number
}

/** Names a folder where each of them leaves a profile of its processor time, at its end; `--profile` sets it. */
export const PROFILE_VARIABLE = 'BENCH_PROFILE'
const BEFORE_END = 10_000

/** Starts one, and waits until it is ready; ended by the teardown. */
export async function startPeer(t: Teardown, name: string, options: PeerOptions = {}): Promise<Peer> {
  const { file = fileURLToPath(new URL(`./${name}.js`, import.meta.url)), args = [], env = {}, cwd, ready } = options
  const { onMessage, stdout = 'ignore' } = options
  // tap's loader is none of a peer's.
  const { NODE_OPTIONS: _, ...inherited } = process.env
  const profiles = process.env[PROFILE_VARIABLE]
  const execArgv = profiles ? ['--cpu-prof', `--cpu-prof-dir=${join(profiles, name)}`] : []
  const child: ChildProcess = fork(file, [...args], {
    execArgv,
    ...(cwd && { cwd }),
    env: { ...inherited, ...env },
    stdio: ['ignore', stdout, 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  t.teardown(end)
  const died = exited.then(([code, signal]) => {
    const reason = new Error(`peer ${name} has ended with ${signal ?? `code ${code}`}`)
    gone = reason
    for (const { reject } of waiting.values()) reject(reason)
    throw reason
  })
  died.catch(() => {})
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let last = 0
  let gone: Error | undefined

  child.on('message', function onAnswer(answer: Answer) {
    const call = waiting.get(answer?.call)
    if (!call) {
      onMessage?.(answer)
      return
    }
    waiting.delete(answer.call)
    if (answer.error === undefined) call.resolve(answer.value)
    else call.reject(new Error(`peer ${name}: ${answer.error}`))
  })
  await Promise.race([died, started()])

  function started(): Promise<void> {
    return new Promise((resolve) => {
      child.on('message', (message: Answer) => {
        if (ready === undefined ? message?.call === 0 : message === ready) resolve()
      })
    })
  }

  async function end(): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) {
      if (child.connected) child.disconnect()
      const timer = setTimeout(() => child.kill('SIGKILL'), BEFORE_END)
      await exited
      clearTimeout(timer)
    }
  }

  return {
    pid: child.pid as number,
    died,
    call<T>(call: string, ...args: readonly unknown[]) {
      return new Promise<T>((resolve, reject) => {
        if (gone) return reject(gone)
        const id = ++last
        waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
        // Where it is just ending: without this, the error would be nobody's, and end this process.
        child.send({ call: id, name: call, args }, (error) => error && reject(error))
      })
    },
    end,
  }
}
