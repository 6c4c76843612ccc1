// The entry of a process that imports all of the project's workers and routes, lists what is wrong, and ends.
// `--broker`: where AMQP_URL names a broker that can be reached, whether it takes the project as it is.

import { parseArgs } from 'node:util'
import { projectEnv } from './base/app-mark.ts'
import { parseConfig } from './base/config.ts'
import { loadWorker, loadWorkers, unfinishedImports, type Worker } from './base/discovery.ts'
import { isA, recordOf, START_BOUNDS } from './base/error-record.ts'
import { reasonOf, StartupError } from './base/errors.ts'
import { projectMark } from './base/project-mark.ts'
import { ceilingProblem } from './base/scale.ts'
import { expectProject, listSources } from './base/sources.ts'
import { loadRoutes } from './http/routes.ts'
import { findRefusals } from './messaging/refused-project.ts'

/** Milliseconds that importing the files may take. */
const LIMIT_MS = 30_000

const root = process.cwd()
const problems: string[] = []

try {
  const { values } = parseArgs({ options: { broker: { type: 'boolean' }, 'limit-ms': { type: 'string' } } })
  // A top-level await that nothing will ever settle lets Node end; where something else goes on, nothing does.
  process.once('beforeExit', () => process.exit(tellUnfinished()))
  const limit = Number(values['limit-ms'] ?? LIMIT_MS)
  setTimeout(() => process.exit(tellUnfinished()), limit).unref()
  await check(values.broker === true)
} catch (error) {
  problems.push(textOf(error))
}
for (const problem of problems) console.error(problem)
// What the files have opened would keep the process alive.
process.exit(problems.length > 0 ? 1 : 0)

async function check(withBroker: boolean): Promise<void> {
  expectProject(root)
  const sources = (await attempt(async () => listSources(root, 'workers'))) ?? []
  const found = await Promise.all(sources.map(({ name }) => attempt(() => loadWorker(root, name))))
  const workers = found.filter((worker) => worker !== undefined)
  // What the workers are to each other can only be told once each of them is one.
  if (problems.length === 0) await attempt(() => loadWorkers(root))
  const routes = (await attempt(() => loadRoutes(root))) ?? []

  for (const { file, definition } of workers) {
    console.log(`${file}: ${definition.address.kind} ${definition.address.name}`)
  }
  for (const { file, path } of routes) console.log(`${file}: ${path}`)
  warnOfCeiling(workers)
  if (withBroker && problems.length === 0) await askBroker(workers)
}

// No reason not to start: on several machines it may be enough.
function warnOfCeiling(workers: readonly Worker[]): void {
  let ceiling: number
  try {
    ceiling = parseConfig(projectEnv(root), root).maxInstances
  } catch {
    // What is wrong with the environment is the start's to tell.
    return
  }
  const problem = ceilingProblem(
    workers.map(({ definition }) => definition),
    ceiling,
  )
  if (problem) console.error(`Warning: ${problem}`)
}

async function askBroker(workers: readonly Worker[]): Promise<void> {
  const { amqpUrls } = parseConfig(process.env, root)
  if (amqpUrls.length === 0) return
  const limits = workers.map(({ name, definition }) => ({ name, timeout: definition.timeout }))
  problems.push(...(await findRefusals(amqpUrls, projectMark(root), limits)))
}

async function attempt<T>(step: () => Promise<T>): Promise<T | undefined> {
  try {
    return await step()
  } catch (error) {
    problems.push(textOf(error))
    return undefined
  }
}

function textOf(error: unknown): string {
  const record = recordOf(error, START_BOUNDS)
  return isA(record, StartupError) ? reasonOf(record) : record.stack || reasonOf(record)
}

/** @returns the exit code */
function tellUnfinished(): number {
  const files = unfinishedImports()
  const list = files.length > 0 ? files.join(', ') : 'a file'
  console.error(
    `${list}: expected a file whose import ends, found one that waits for ever: a top-level \`await\`, there or in ` +
      'what it imports, is never settled. Await it in the handler, or make what it waits for end.',
  )
  return 1
}
