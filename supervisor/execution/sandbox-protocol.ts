import type { ErrorRecord } from '../base/error-record.ts'
import type { Attempt, Outcome } from './attempt.ts'
import type { BusAnswer, BusQuestion } from './remote-bus.ts'

/** What the sandbox's process is told. */
export type ToSandbox =
  | { type: 'run'; number: number; attempt: Attempt }
  /** `lost`: the handler's signal is aborted, and the attempt goes on; `stop`: it ends. */
  | { type: 'abort'; number: number; how: 'lost' | 'stop'; error: ErrorRecord }
  | BusAnswer

/** What it tells. */
export type FromSandbox =
  /** It has loaded the worker. */
  | { type: 'ready' }
  /** It can't load it, and ends. */
  | { type: 'failed'; error: ErrorRecord }
  | { type: 'started'; number: number }
  /** `isSpent`: a handler may go on although its attempt has ended, so nothing else should run in this process. */
  | { type: 'ended'; number: number; outcome: Outcome; isSpent: boolean }
  | BusQuestion

/** Marks messages between the two: a handler may send by `process.send` what it likes. */
export interface Marked<T> {
  readonly warren: T
}

export function isMarked<T>(message: unknown): message is Marked<T> {
  return typeof message === 'object' && message !== null && Object.hasOwn(message, 'warren')
}
