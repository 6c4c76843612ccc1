// piscina by itself: as many threads, all tasks in its queue, and no broker.
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import type { Task } from './cpu-task.ts'
import { answerCalls } from './host.ts'

const threads = Number(process.argv[2])
const filename = fileURLToPath(new URL('./cpu-task.js', import.meta.url))
const pool = new Piscina({ filename, name: 'perform', minThreads: threads, maxThreads: threads })

answerCalls({
  send(tasks: Task[]) {
    for (const task of tasks) void pool.run(task)
  },
})
