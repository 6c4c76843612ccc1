import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { reasonOf } from '../base/errors.ts'
import type { Fleet, StoreSize, WorkerView } from '../base/fleet.ts'
import type { Delayed, Orphan, Orphans } from '../base/orphans.ts'
import { table } from '../base/table.ts'
import type { Output } from './dead.ts'
import { orphanTable } from './prune.ts'

/** Milliseconds between two pictures of `--watch`. */
const WATCH_EVERY = 1_000

/** Moves a terminal's cursor to the top left, and clears what is below it. */
const CLEAR = '\u001b[H\u001b[J'

/** Pictures until what changes slowly is looked at again: whoever looks at the registry keeps others from it meanwhile. */
const LOOK_EVERY = 10

const HEADINGS = [
  'worker',
  'queue',
  'waiting',
  'in progress',
  'suspects',
  'dead',
  'instances',
  'desired',
  'memory',
  'last decision',
]

/** What no worker has to itself; null: not known, for the reason that is given. */
export type Rest = (Delayed & { readonly orphans: readonly Orphan[] }) | { readonly reason: string }

/**
 * `warren ps [--watch] [--json]`: the workers, what runs of them on all machines, and what no worker stands for any more.
 * @param signal ends `--watch`
 * @param storeSize undefined with another broker, and before there is a store
 */
export async function runPs(
  args: string[],
  fleet: Fleet,
  orphans: Pick<Orphans, 'list' | 'delayed'>,
  output: Output,
  signal: AbortSignal,
  storeSize: () => StoreSize | undefined = () => undefined,
): Promise<void> {
  const options = { watch: { type: 'boolean' }, json: { type: 'boolean' } } as const
  const { watch = false, json = false } = parseArgs({ args, options }).values
  let rest: Rest = { reason: 'nobody has looked' }
  for (let pictures = 0; pictures === 0 || (watch && !signal.aborted); pictures++) {
    const workers = await fleet.workers()
    if (pictures % LOOK_EVERY === 0) rest = await lookAround(orphans, workers)
    const store = storeSize()
    const shown = json
      ? JSON.stringify({ workers, ...forPrograms(rest), store: store ?? null })
      : picture(workers, rest, store)
    output.print(watch && !json ? `${CLEAR}${shown}` : shown)
    if (watch) await delay(WATCH_EVERY, undefined, { signal }).catch(() => {})
  }
}

/** A table of the workers, and what there is beside them. */
export function picture(workers: readonly WorkerView[], rest: Rest, store?: StoreSize): string {
  const stored = store ? ['', storeLine(store)] : []
  return [table([HEADINGS, ...workers.map(row)]), '', ...restLines(rest), ...stored].join('\n')
}

function storeLine({ size, unused, free }: StoreSize): string {
  const left = free === null ? '' : ` Its disk has ${megabytes(free)} left.`
  return `The embedded broker's store has ${megabytes(size)}, of which ${megabytes(unused)} are unused.${left}`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(bytes < 10_000_000 ? 1 : 0)} MB`
}

// What runs is shown, whether the rest can be looked at or not.
async function lookAround(orphans: Pick<Orphans, 'list' | 'delayed'>, workers: readonly WorkerView[]): Promise<Rest> {
  try {
    const [found, delayed] = await Promise.all([orphans.list(workers), orphans.delayed()])
    return { orphans: found, ...delayed }
  } catch (error) {
    return { reason: reasonOf(error) }
  }
}

function forPrograms(rest: Rest) {
  return 'reason' in rest ? { orphans: null, delayed: null, undeliverable: null } : rest
}

function restLines(rest: Rest): string[] {
  if ('reason' in rest) return [`Delayed messages and orphans are not known: ${rest.reason}`]
  const { delayed, undeliverable, orphans } = rest
  // Which worker they are for is in each message alone.
  const lines = [
    `Delayed messages and retries, of all workers together: ${delayed ?? '?'}. Undeliverable: ${undeliverable ?? '?'}.`,
  ]
  if (orphans.length === 0) return lines
  return [...lines, '', 'No worker file stands for these any more (`npx warren prune`):', orphanTable(orphans)]
}

function row({
  name,
  queue,
  depth,
  inProgress,
  suspects,
  dead,
  instances,
  desired,
  pinned,
  decisions,
}: WorkerView): string[] {
  const running = instances.filter(({ pid }) => pid !== null)
  const pins = Object.values(pinned).reduce((sum, count) => sum + count, 0)
  return [
    name,
    queue ?? '-',
    String(depth ?? '?'),
    String(inProgress ?? '?'),
    String(suspects ?? '-'),
    String(dead ?? '-'),
    `${running.length}${running.length === 0 && instances.length > 0 ? ' (asleep)' : ''}`,
    Object.keys(pinned).length > 0 ? `${pins} (pinned)` : String(desired ?? '-'),
    `${Math.round(running.reduce((sum, { memory }) => sum + memory, 0) / 1_048_576)} MB`,
    decisions[0]
      ? `${decisions[0].at.slice(11, 19)} ${decisions[0].from} to ${decisions[0].to}: ${decisions[0].reason}`
      : '-',
  ]
}
