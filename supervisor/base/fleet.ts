// What runs, as it is shown: what the front door and the commands need of the autoscalers.
import type { WorkerPlace } from './dead-letters.ts'
import type { WorkerDefinition } from './definitions.ts'

/** A worker as its file defines it. */
export interface WorkerSummary
  extends WorkerPlace,
    Pick<WorkerDefinition, 'concurrency' | 'threads' | 'timeout' | 'memoryLimitMb' | 'attempts' | 'scale'> {}

/** A worker's file that can't be imported, or that defines no worker. */
export interface BrokenWorker {
  readonly name: string
  /** Such as `workers/thumbnail.ts`. */
  readonly file: string
  /** What is wrong, in a sentence that names the file. */
  readonly reason: string
}

/** The project's workers by what their files say now. */
export interface ProjectWorkers {
  /**
   * All of them: for whoever concludes something from one that is missing, such as that its queue is nobody's.
   * @throws DiscoveryError if one is broken
   */
  (): Promise<readonly WorkerSummary[]>
  /** Those that are not broken: one that is hides none of the others. */
  sound(): Promise<readonly WorkerSummary[]>
  broken(): Promise<readonly BrokenWorker[]>
}

/** What a process that imports workers for another one says of each, in this order. */
export type WorkerDescription =
  /** Its import begins: if the process ends now, this one has ended it. */
  { importing: string } | { name: string; worker: WorkerSummary } | { name: string; failed: string }

/** One process of a worker. */
export interface InstanceView {
  /** The machine that it runs on. */
  readonly host: string
  /** pm2's number for it. */
  readonly id: number
  /** Null while it is not running. */
  readonly pid: number | null
  /** Its own word where it has told (`ready`, `waiting`, `draining`, …), or else pm2's. */
  readonly status: string
  /** Bytes of resident memory. */
  readonly memory: number
  /** Percent of one core. */
  readonly cpu: number
  /** Messages; null where it has not told. */
  readonly inProgress: number | null
}

/** What an autoscaler did, and why. */
export interface Decision {
  /** ISO 8601. */
  readonly at: string
  readonly host: string
  readonly worker: string
  /** Instances on the machine before it, and after. */
  readonly from: number
  readonly to: number
  /** Messages, when it was decided; null: not known. */
  readonly ready: number | null
  readonly inProgress: number | null
  /** Instances that the load is worth, over all machines. */
  readonly desired: number
  /** Where that number comes from, and why it is not that many here: other machines, the ceiling, a pin. */
  readonly reason: string
}

/** A worker, and what runs of it. */
export interface WorkerView extends WorkerSummary {
  /** Its queue; null where each process has one of its own. */
  readonly queue: string | null
  /** Messages that wait; null: not known. */
  readonly depth: number | null
  /** Messages that are being handled; null: not known. */
  readonly inProgress: number | null
  /** Dead letters; null: not known, or not there yet. */
  readonly dead: number | null
  /** Messages that may have ended their process and wait to be handled in the sandbox; null: as `dead`. */
  readonly suspects: number | null
  readonly instances: readonly InstanceView[]
  /** Instances that there should be on all machines; null where nobody scales it. */
  readonly desired: number | null
  /** How many `warren scale` has pinned it to, by machine. */
  readonly pinned: Readonly<Record<string, number>>
  /** The latest ones, newest first. */
  readonly decisions: readonly Decision[]
}

/** What one machine knows. */
export interface MachineView {
  /** Unique among the machines of a broker. */
  readonly id: string
  readonly host: string
  /** How many worker processes there may be on it. */
  readonly ceiling: number
  /** All machines that it knows of, itself among them; null while it does not know who is there. */
  readonly machines: readonly string[] | null
  readonly workers: readonly WorkerView[]
}

/** Asks the autoscalers of all machines. */
export interface Fleet {
  /** @throws AutoscalerUnavailableError if none answers */
  workers(): Promise<readonly WorkerView[]>
}

/** The embedded broker's store on this machine, in bytes. */
export interface StoreSize {
  /** Its file. */
  readonly size: number
  /** Of these, those that nothing is in: what is written goes there before the file grows. */
  readonly unused: number
  /** Left on its disk; null: not known. */
  readonly free: number | null
}
