// Whose a broker is, what its registry says, and what becomes of what no worker stands for any more.
import { projectMark } from '../../supervisor/base/project-mark.ts'
import { openOrphans } from '../../supervisor/messaging/orphans.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { unique } from '../helpers/messaging.ts'
import { superviseWorker } from '../helpers/supervised-worker.ts'
import { until } from '../helpers/until.ts'
import { onEveryBroker } from './brokers.ts'
import { orphans } from './orphans.ts'
import { projects } from './projects.ts'

// @counts-messages

/** A worker's file, compiled. */
const worker = (queue: string) => `
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'
export default defineWorker(defineQueue('${queue}', { data: z.object({}) }), { handler() {} })
`

onEveryBroker('projects and orphans', 200_000, async (t, { place }) => {
  const url = await place(t)
  await orphans(t, url)
  await projects(t, url)

  t.test("a worker's process marks the broker, and notes what it consumes", async (t) => {
    const own = await place(t)
    const queue = unique('real')
    const root = compiledProject(t, { 'workers/real.ts': worker(queue) })
    const running = superviseWorker(t, { root, name: 'real', url: own })
    const { list } = openOrphans({ urls: [own], name: 'test', project: projectMark(root) })
    const found = async () => (await list([]).catch(() => [])).find((orphan) => orphan.queue === queue)
    await until(async () => (await found())?.consumers === 2, {
      what: 'the entry of a queue that is consumed',
      timeout: 60_000,
    })
    t.match(await found(), { worker: 'real', waiting: 0 })
    await running.stop()
    const other = openOrphans({ urls: [own], name: 'test', project: 'another' })
    await t.rejects(other.list([]), { code: 'WARREN_OTHER_PROJECT' })
  })
})
