import { recordOf } from '../../supervisor/base/error-record.ts'
import type { Headers } from '../../supervisor/base/message.ts'
import { deadLetterHeaders } from '../../supervisor/execution/settlement.ts'

/** When the letters of `headersOf` failed. */
export const FAILED_AT = '2026-11-23T10:00:00.000Z'

/** What a worker writes about a letter that it gives up. */
export function headersOf(name = 'TypeError'): Headers {
  const error = recordOf(Object.assign(new Error(`no ${name}`), { name }))
  const facts = { reason: 'failed', error, attempts: 5, worker: 'w', host: 'h', at: new Date(FAILED_AT) } as const
  return deadLetterHeaders({ ...facts, before: {} })
}
