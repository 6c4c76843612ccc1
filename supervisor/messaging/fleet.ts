import { AutoscalerUnavailableError } from '../base/errors.ts'
import type { Fleet, MachineView, WorkerView } from '../base/fleet.ts'
import { REPLY_TO } from './calls.ts'
import type { Link } from './link.ts'
import type { Delivered, LinkChannel } from './link-channel.ts'
import { AUTOSCALERS } from './machines.ts'
import { withOwnLink } from './open-any.ts'

/** Milliseconds for all machines to answer; what has not by then is not shown. */
const ANSWER_TIMEOUT = 2_000

/** How many decisions of a worker are shown. */
const DECISIONS = 10

export interface FleetOptions {
  urls: readonly string[]
  /** The process's name, shown in the broker's list of connections. */
  name: string
}

/** Asks the autoscalers of all machines, over a connection of its own each time. */
export function openFleet({ urls, name }: FleetOptions): Fleet {
  return {
    workers: async () => mergeViews(await withOwnLink(urls, `${name} fleet`, ask)),
  }
}

async function ask(link: Link): Promise<MachineView[]> {
  const views = new Map<string, MachineView>()
  let ended = () => {}
  const end = new Promise<void>((resolve) => {
    ended = resolve
  })
  // No exchange ends the channel, and one without a queue returns the question: nobody is there.
  const channel = await link.looseChannel(() => ended())
  channel.on('return', () => ended())
  const late = setTimeout(() => ended(), ANSWER_TIMEOUT)

  function onReply({ content }: Delivered): void {
    const view = parse(content)
    if (!view) return
    views.set(view.id, view)
    if ([...views.values()].every(({ machines }) => machines?.every((id) => views.has(id)))) ended()
  }

  try {
    consume(channel, onReply).catch(() => ended())
    await link.orLost(end)
  } finally {
    clearTimeout(late)
  }
  if (views.size === 0) throw new AutoscalerUnavailableError()
  return [...views.values()]
}

async function consume(channel: LinkChannel, onReply: (message: Delivered) => void): Promise<void> {
  await channel.consume(REPLY_TO, (message) => message && onReply(message), { noAck: true })
  channel.publish(AUTOSCALERS, '', Buffer.alloc(0), { type: 'ask', replyTo: REPLY_TO, mandatory: true })
}

// The exchange is open to every client of the broker, and so is the question to answer.
function parse(content: Buffer): MachineView | undefined {
  try {
    const view = JSON.parse(content.toString()) as MachineView
    return typeof view.id === 'string' && Array.isArray(view.workers) ? view : undefined
  } catch {
    return undefined
  }
}

/** One view of each worker, by name, out of the machines' own. */
export function mergeViews(views: readonly MachineView[]): WorkerView[] {
  const merged = new Map<string, WorkerView>()
  for (const view of [...views].sort((a, b) => (a.host < b.host ? -1 : 1))) {
    for (const worker of view.workers) {
      const other = merged.get(worker.name)
      merged.set(worker.name, other ? mergeWorker(other, worker) : worker)
    }
  }
  return [...merged.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function mergeWorker(one: WorkerView, other: WorkerView): WorkerView {
  return {
    ...one,
    // Whoever asked last is not known: both looked at the same queue.
    depth: one.depth ?? other.depth,
    inProgress: one.inProgress === null || other.inProgress === null ? null : one.inProgress + other.inProgress,
    instances: [...one.instances, ...other.instances],
    dead: one.dead ?? other.dead,
    suspects: one.suspects ?? other.suspects,
    desired: one.desired ?? other.desired,
    pinned: { ...one.pinned, ...other.pinned },
    decisions: [...one.decisions, ...other.decisions].sort((a, b) => (a.at > b.at ? -1 : 1)).slice(0, DECISIONS),
  }
}
