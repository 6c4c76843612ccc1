import { defineFanout, defineQueue } from 'warren'
import { z } from 'zod'

/** Someone has watched a video. Workers `history` and `recommendations` each get a copy. */
export const viewed = defineFanout('viewed', { data: z.object({ videoPath: z.string().min(1) }) })

/** An uploaded image waits for its thumbnail; `id` is the upload's. */
export const thumbnail = defineQueue('thumbnail', {
  data: z.object({ id: z.uuid(), width: z.int().min(16).max(2048) }),
  result: z.object({ path: z.string(), bytes: z.int() }),
})
