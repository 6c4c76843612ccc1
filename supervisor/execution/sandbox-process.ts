import { type ChildProcess, fork } from 'node:child_process'
import type { WorkerDefinition } from '../base/definitions.ts'
import { type FromSandbox, isMarked, type ToSandbox } from './sandbox-protocol.ts'

/** How a process has ended. */
export interface End {
  readonly code: number | null
  readonly signal: string | null
  /** V8 has said that its heap is full. */
  readonly isOutOfMemory: boolean
}

/** A process of the sandbox. */
export interface SandboxProcess {
  post(message: ToSandbox): void
  /** Ends it at once. */
  kill(): void
  /** Ends it as soon as it comes to it. */
  end(): void
}

export interface SandboxEvents {
  onMessage(message: FromSandbox): void
  /** Called once, after the last message. */
  onEnd(end: End): void
}

export type StartSandbox = (events: SandboxEvents) => SandboxProcess

export interface SandboxProcessOptions {
  worker: string
  /** The project's folder. */
  root: string
  logLevel: string
  definition: Pick<WorkerDefinition, 'threads' | 'memoryLimitMb'>
  /** The compiled entry that runs in it. */
  filename: string
}

/** What V8 writes before it ends a process whose heap is full. */
const OUT_OF_MEMORY = /heap out of memory|Reached heap limit/
/** Characters of its last output that are looked at for that. */
const TAIL = 8_192
/** Milliseconds from a process's exit until the end of its output is not waited for any more. */
const CLOSE_GRACE = 500
/** Milliseconds for a process that is told to end. */
const END_GRACE = 1_000

/** Starts processes that run attempts of one worker; what they print goes where this process's output goes. */
export function sandboxProcesses(options: SandboxProcessOptions): StartSandbox {
  const { worker, root, logLevel, definition, filename } = options
  const { threads, memoryLimitMb } = definition
  // A thread's limit becomes that of the process, which runs one handler at a time then.
  const limits = threads > 0 ? [`--max-old-space-size=${memoryLimitMb}`] : []

  return function start({ onMessage, onEnd }) {
    let child: ChildProcess
    try {
      child = fork(filename, [worker, logLevel], {
        cwd: root,
        execArgv: [...process.execArgv, ...limits],
        serialization: 'advanced',
        stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      })
    } catch {
      // Where there is no memory Node throws, rather than tell by an event.
      setImmediate(onEnd, { code: null, signal: null, isOutOfMemory: false })
      return { post() {}, kill() {}, end() {} }
    }
    let tail = ''
    let hasEnded = false
    child.stderr?.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk)
      tail = (tail + chunk.toString('latin1')).slice(-TAIL)
    })
    child.on('message', (message) => {
      if (isMarked<FromSandbox>(message)) onMessage(message.warren)
      // A handler's own, which it would send to whoever started the worker.
      else if (process.connected) process.send?.(message)
    })
    child.on('error', () => ended(null, null))
    // What it wrote last may come after its exit; what it has started may keep its output open for ever.
    child.on('close', ended)
    child.on('exit', (code, signal) => setTimeout(ended, CLOSE_GRACE, code, signal).unref())
    process.once('exit', kill)

    function ended(code: number | null, signal: string | null): void {
      if (hasEnded) return
      hasEnded = true
      process.off('exit', kill)
      onEnd({ code, signal, isOutOfMemory: OUT_OF_MEMORY.test(tail) })
    }
    function kill(): void {
      child.kill('SIGKILL')
    }
    return {
      post(message) {
        if (child.connected) child.send({ warren: message }, () => {})
      },
      kill,
      end() {
        disconnect(child)
        setTimeout(kill, END_GRACE).unref()
      },
    }
  }
}

function disconnect(child: ChildProcess): void {
  if (child.connected) child.disconnect()
}
