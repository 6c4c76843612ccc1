import { z } from 'zod'

/** What every message of the benchmarks holds: something to validate, and bytes. */
export const payload = z.object({
  id: z.uuid(),
  width: z.int().min(16).max(2048),
  /** Milliseconds of the machine's monotonic clock, which all of its processes share. */
  at: z.number(),
  text: z.string(),
})

export type Payload = z.infer<typeof payload>

/** What a call is answered with. */
export const result = z.object({ id: z.uuid(), width: z.int() })

export type Result = z.infer<typeof result>

export function resultOf({ id, width }: Payload): Result {
  return { id, width }
}

const ID = '01a2061c-c138-75b6-bf51-5694b30a9eda'

/** A message of so many bytes of JSON, within the few by which `at` varies. */
export function payloadOf(bytes: number): Payload {
  const message = { id: ID, width: 320, at: 123456789.123456, text: '' }
  return { ...message, text: 'x'.repeat(Math.max(0, bytes - JSON.stringify(message).length)) }
}

/** Milliseconds of the machine's monotonic clock. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
