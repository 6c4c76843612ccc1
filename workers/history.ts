import { defineWorker } from 'warren'
import { viewed } from './messages/flixtube.ts'
import * as history from './stores/history.ts'

export default defineWorker(viewed, {
  // As many views share one sync of the disk.
  concurrency: 50,
  handler: async function recordView({ videoPath }, { id }) {
    await history.add(id, videoPath)
  },
})
