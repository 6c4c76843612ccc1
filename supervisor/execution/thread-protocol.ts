import type { MessagePort } from 'node:worker_threads'
import type { Envelope } from '../base/message.ts'
import type { PlainError } from '../base/revive-error.ts'
import type { Attempt } from './attempt.ts'

/** What every task of a thread gets with it, once, at the thread's start. */
export interface ThreadData {
  worker: string
  /** The project's folder. */
  root: string
  logLevel: string
}

/** What one task gets. */
export interface ThreadTask {
  attempt: Attempt
  port: MessagePort
}

export type ThreadResult = { ok: true; result: string | undefined } | { ok: false; error: PlainError }

/** From the thread: its handler starts, or its bus sends. */
export type FromThread =
  | { type: 'started' }
  | { type: 'deliver'; call: number; envelope: Envelope }
  | { type: 'request'; call: number; envelope: Envelope; timeoutMs: number }

/** To the thread: the handler's signal aborts, or the bus's answer. */
export type ToThread =
  | { type: 'abort'; error: PlainError }
  | { type: 'answer'; call: number; body: Uint8Array | undefined }
  | { type: 'refused'; call: number; error: PlainError }
