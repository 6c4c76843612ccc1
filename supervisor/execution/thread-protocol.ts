import type { MessagePort } from 'node:worker_threads'
import type { ErrorRecord } from '../base/error-record.ts'
import type { Attempt } from './attempt.ts'
import type { BusAnswer } from './remote-bus.ts'

/** What every task of a thread gets with it, once, at the thread's start. */
export interface ThreadData {
  worker: string
  /** The project's folder. */
  root: string
  logLevel: string
}

/** What a thread sends once, before its first task: the line by which the two talk beside the tasks. */
export interface ThreadLine {
  /** Its `threadId`. */
  thread: number
  port: MessagePort
}

/** What one task gets. */
export interface ThreadTask {
  /** Of all tasks of the process, this one. */
  number: number
  attempt: Attempt
  /** See thread-start.ts. */
  start: BigInt64Array
}

export type ThreadResult =
  | { ok: true; result: string | undefined }
  /** `isStart`: the worker's file could not be loaded, so no handler has run. */
  | { ok: false; error: ErrorRecord; isStart: boolean }

/** To the thread: the signal of a task's handler aborts, or the bus's answer. */
export type ToThread = { type: 'abort'; number: number; error: ErrorRecord } | BusAnswer
