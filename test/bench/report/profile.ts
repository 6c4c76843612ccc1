// What the processes of a scenario did with their time, out of the files that `node --cpu-prof` has left.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

/** What is read of a `.cpuprofile` (Chrome DevTools Protocol, `Profiler.Profile`). */
export interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[]
  /** Ids of nodes. */
  readonly samples: readonly number[]
  /** Microseconds from one sample to the next. */
  readonly timeDeltas: readonly number[]
}

interface CallFrame {
  readonly functionName: string
  readonly url: string
}

/** Functions that are told of each process. */
const MOST = 8
/** Processes that have done less than this part of what the busiest has done are not worth a line: they have only started. */
const LEAST = 0.1

/** What one process has done. */
export interface Summary {
  /** Microseconds. */
  readonly total: number
  readonly lines: readonly string[]
}

/** Of each process whose profile is in a folder of the folder: whose code took how much of its time, and which functions. */
export function profileLines(folder: string): string[] {
  const summaries = readdirSync(folder).flatMap((name) =>
    readdirSync(join(folder, name))
      .sort()
      .map((file) => summaryOf(name, JSON.parse(readFileSync(join(folder, name, file), 'utf8')))),
  )
  const most = Math.max(...summaries.map(({ total }) => total))
  return summaries.filter(({ total }) => total >= most * LEAST).flatMap(({ lines }) => lines)
}

/** @param name of the process */
export function summaryOf(name: string, profile: Profile): Summary {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const owners = new Map<string, number>()
  const functions = new Map<string, number>()
  let total = 0
  for (const [i, id] of profile.samples.entries()) {
    const frame = frames.get(id)
    if (!frame || frame.functionName === '(idle)') continue
    const took = profile.timeDeltas[i] ?? 0
    const owner = ownerOf(frame)
    const called = `${frame.functionName || '(anonymous)'}, ${frame.url ? `${owner}: ${basename(frame.url.replace('node:', ''))}` : owner}`
    owners.set(owner, (owners.get(owner) ?? 0) + took)
    functions.set(called, (functions.get(called) ?? 0) + took)
    total += took
  }
  const part = (took: number) => `${Math.round((took / total) * 100)} %`
  const whose = largest(owners).map(([owner, took]) => `${owner} ${part(took)}`)
  const lines = [
    `${name}, ${Math.round(total / 1_000).toLocaleString('en')} ms: ${whose.join(', ')}`,
    ...largest(functions).map(([called, took]) => `  ${part(took).padStart(5)}  ${called}`),
  ]
  return { total, lines }
}

function largest(times: ReadonlyMap<string, number>): [string, number][] {
  return [...times].sort(([, a], [, b]) => b - a).slice(0, MOST)
}

/** Whose code it is. */
function ownerOf({ functionName, url }: CallFrame): string {
  if (functionName === '(garbage collector)') return 'garbage collection'
  if (url === '') return 'native code'
  if (url.startsWith('node:')) return 'Node'
  const installed = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]
  if (installed) return installed
  return url.includes('/supervisor/') ? 'Warren' : 'the benchmark'
}
