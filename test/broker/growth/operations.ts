import type { Operation } from './operation.ts'
import { withClients } from './with-clients.ts'
import { withMessages } from './with-messages.ts'
import { withQueues } from './with-queues.ts'
import { withRouting } from './with-routing.ts'
import { withWarren } from './with-warren.ts'

/** What is measured, in the order in which the documentation has it. */
export const OPERATIONS: readonly Operation[] = [
  ...withMessages,
  ...withWarren,
  ...withQueues,
  ...withClients,
  ...withRouting,
]
