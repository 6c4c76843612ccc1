import { defineWorker } from 'warren'
import { viewed } from './messages/flixtube.ts'
import * as recommendations from './stores/recommendations.ts'

export default defineWorker(viewed, {
  // As many views share one sync of the disk.
  concurrency: 50,
  handler: async function countView({ videoPath }, { id }) {
    await recommendations.count(id, videoPath)
  },
})
