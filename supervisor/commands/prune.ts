import { parseArgs } from 'node:util'
import { StartupError } from '../base/errors.ts'
import type { ProjectWorkers } from '../base/fleet.ts'
import type { Orphan, Orphans, Pruned } from '../base/orphans.ts'
import { table } from '../base/table.ts'
import type { Output } from './dead.ts'

const HEADINGS = ['orphan', 'waiting', 'suspects', 'dead', 'last declared']

/**
 * `warren prune [NAME] [--yes]`: removes orphans that are empty, or one by its name.
 * @param workers every worker of the project; what none of them consumes is an orphan
 * @throws StartupError for one that is not empty, without `--yes`; where a worker's file is broken, which hides what it consumes
 */
export async function runPrune(
  args: string[],
  workers: ProjectWorkers,
  orphans: Orphans,
  output: Output,
): Promise<void> {
  const options = { yes: { type: 'boolean' } } as const
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
  const [name] = positionals
  const broken = await workers.broken()
  if (broken.length > 0) {
    const reasons = broken.map(({ reason }) => reason).join('\n')
    throw new StartupError(
      'WARREN_BROKEN_WORKERS',
      `Nothing is removed while it is not known what each worker consumes.\n${reasons}`,
    )
  }
  if (positionals.length > 1) throw usage(`expected one NAME, or none, found ${positionals.length}`)
  if (name === undefined) {
    if (values.yes) throw usage('expected --yes with a NAME only: without one, nothing that has messages is removed')
    return tellAll(await orphans.pruneEmpty(await workers()), output)
  }
  const { orphan, isRemoved, reason } = await orphans.prune(await workers(), name, { force: values.yes === true })
  if (isRemoved) return output.print(`Removed ${describe(orphan)}.`)
  const advice = orphan.consumers > 0 || values.yes ? '' : ` To remove them for good: warren prune ${name} --yes`
  throw new StartupError('WARREN_NOT_EMPTY', `Kept ${describe(orphan)}: ${reason}.${advice}`)
}

/** A table of orphans. */
export function orphanTable(orphans: readonly Orphan[]): string {
  const row = ({ name, waiting, suspects, dead, declaredAt }: Orphan) => [
    name,
    ...[waiting, suspects, dead].map((count) => String(count ?? '-')),
    declaredAt.slice(0, 10),
  ]
  return table([HEADINGS, ...orphans.map(row)])
}

function tellAll(pruned: readonly Pruned[], { print }: Output): void {
  if (pruned.length === 0) print('No orphans: a worker file stands for everything that this project has declared.')
  for (const { orphan, isRemoved, reason } of pruned) {
    print(isRemoved ? `Removed ${describe(orphan)}.` : `Kept ${describe(orphan)}: ${reason}.`)
  }
}

function describe({ queue, address, worker, waiting, suspects, dead }: Orphan): string {
  const kind = address.kind === 'queue' ? `queue ${queue}` : `subscription ${queue}`
  const whose = worker === null ? 'that only senders have declared' : `of former worker ${worker}`
  return `${kind} ${whose} (waiting ${waiting ?? 0}, suspects ${suspects ?? 0}, dead ${dead ?? 0})`
}

function usage(message: string): StartupError {
  return new StartupError('WARREN_USAGE', `prune: ${message}`)
}
