import { rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createProject, type TestProject } from '../../helpers/project.ts'
import type { Teardown } from '../../helpers/tmp.ts'
import { until } from '../../helpers/until.ts'

/** Many processes may start at once. */
const START = { timeout: 60_000, interval: 100 }

/** A project under a pm2 of its own, started: with these workers alone, the embedded broker and the autoscaler. */
export async function startProject(
  t: Teardown,
  workers: Record<string, string>,
  env: NodeJS.ProcessEnv = {},
): Promise<TestProject> {
  const project = await createProject(t, {}, { real: true })
  for (const folder of ['workers', 'routes']) rmSync(join(project.root, folder), { recursive: true })
  for (const [name, text] of Object.entries(workers)) project.write(`workers/${name}.ts`, text)
  // Without AMQP_URL it is the embedded broker.
  delete project.env.AMQP_URL
  Object.assign(project.env, { LOG_LEVEL: 'info', SHUTDOWN_TIMEOUT: '5s' }, env)
  const { code, stdout, stderr } = await project.npm('start')
  if (code !== 0) throw new Error(`npm start ended with code ${code}:\n${stdout}\n${stderr}`)
  return project
}

/** Waits until these workers have so many processes each. */
export async function untilRunning(project: TestProject, workers: readonly string[], count: number): Promise<void> {
  const isSo = async () => {
    const pids = await project.pids()
    return workers.every((name) => (pids[name]?.length ?? 0) === count)
  }
  await until(isSo, { what: `${count} processes of each of ${workers.join(', ')}`, ...START })
}

/** The one process of each of these apps, and of pm2's daemon. */
export async function pidsOf(project: TestProject, apps: readonly string[]): Promise<Map<string, number>> {
  const pids = await project.pids()
  const found = apps.map((name): [string, number] => {
    const [pid, ...others] = pids[name] ?? []
    if (!pid || others.length > 0) throw new Error(`expected one process of ${name}, found ${pids[name]?.length ?? 0}`)
    return [name, pid]
  })
  const daemon = Number(await readFile(join(project.env.PM2_HOME as string, 'pm2.pid'), 'utf8'))
  return new Map([...found, ['pm2 daemon', daemon]])
}
