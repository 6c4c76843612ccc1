import type { BrokenWorker, ProjectWorkers } from '../base/fleet.ts'
import { problem } from './problem.ts'

type Project = Pick<ProjectWorkers, 'broken'>

/** What a list of the workers adds where some are missing in it: the files that are broken, and why. */
export async function brokenOf(project: Project): Promise<{ broken?: readonly BrokenWorker[] }> {
  const broken = await project.broken()
  return broken.length > 0 ? { broken } : {}
}

/** @throws a 404 problem with the reason, if the worker is one whose file is broken */
export async function explainBroken(project: Project, name: string | undefined): Promise<void> {
  const broken = (await project.broken()).find((one) => one.name === name)
  if (broken) throw problem(404, 'No such worker', `The file of worker '${broken.name}' is broken: ${broken.reason}`)
}
