import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Fleet, WorkerView } from '../base/fleet.ts'
import { table } from '../base/table.ts'
import type { Output } from './dead.ts'

/** Milliseconds between two pictures of `--watch`. */
const WATCH_EVERY = 1_000

/** Moves a terminal's cursor to the top left, and clears what is below it. */
const CLEAR = '\u001b[H\u001b[J'

const HEADINGS = ['worker', 'queue', 'waiting', 'in progress', 'instances', 'desired', 'memory', 'last decision']

/**
 * `warren ps [--watch] [--json]`: the workers, and what runs of them on all machines.
 * @param signal ends `--watch`
 */
export async function runPs(args: string[], fleet: Fleet, output: Output, signal: AbortSignal): Promise<void> {
  const options = { watch: { type: 'boolean' }, json: { type: 'boolean' } } as const
  const { watch = false, json = false } = parseArgs({ args, options }).values
  do {
    const workers = await fleet.workers()
    const shown = json ? JSON.stringify({ workers }) : picture(workers)
    output.print(watch && !json ? `${CLEAR}${shown}` : shown)
    if (watch) await delay(WATCH_EVERY, undefined, { signal }).catch(() => {})
  } while (watch && !signal.aborted)
}

/** A table of the workers. */
export function picture(workers: readonly WorkerView[]): string {
  return table([HEADINGS, ...workers.map(row)])
}

function row({ name, queue, depth, inProgress, instances, desired, pinned, decisions }: WorkerView): string[] {
  const running = instances.filter(({ pid }) => pid !== null)
  const pins = Object.values(pinned).reduce((sum, count) => sum + count, 0)
  return [
    name,
    queue ?? '-',
    String(depth ?? '?'),
    String(inProgress ?? '?'),
    `${running.length}${running.length === 0 && instances.length > 0 ? ' (asleep)' : ''}`,
    Object.keys(pinned).length > 0 ? `${pins} (pinned)` : String(desired ?? '-'),
    `${Math.round(running.reduce((sum, { memory }) => sum + memory, 0) / 1_048_576)} MB`,
    decisions[0]
      ? `${decisions[0].at.slice(11, 19)} ${decisions[0].from} to ${decisions[0].to}: ${decisions[0].reason}`
      : '-',
  ]
}
