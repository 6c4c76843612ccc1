// CPU-bound work that counts itself wherever it runs, in a thread or in a process of its own: each task appends its times
// to one file, which takes microseconds.
import { existsSync, openSync, writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { burn } from '../burn.ts'
import { now } from './payload.ts'

export const task = z.object({
  steps: z.int().min(1),
  /** A file: the task holds its place until that is gone, and does not count. */
  gate: z.string().optional(),
})

export type Task = z.infer<typeof task>

/** Bytes of a task's record: when it has begun and ended, in monotonic milliseconds; of a gate's, 0 and 0. */
export const RECORD = 16

let file: number | undefined

export async function perform({ steps, gate }: Task): Promise<void> {
  const start = now()
  burn(steps)
  record(...(gate ? ([0, 0] as const) : ([start, now()] as const)))
  while (gate && existsSync(gate)) await pause(5)
}

function record(...times: readonly [start: number, end: number]): void {
  file ??= openSync(process.env.BENCH_RECORDS as string, 'a')
  writeSync(file, new Uint8Array(new Float64Array(times).buffer))
}
