// What the autoscalers of several machines tell each other, and what a queue tells them.

/** What an autoscaler tells the others, again and again. */
export interface Heartbeat {
  /** Unique among the machines of a broker. */
  readonly id: string
  readonly host: string
  /** By worker, all that run there. */
  readonly workers: ReadonlyMap<string, WorkerLoad>
}

/** What a machine runs of a worker. */
export interface WorkerLoad {
  /** Instances that take messages. */
  readonly instances: number
  /** Messages that these are handling; null: not known. */
  readonly inProgress: number | null
}

/** What a queue holds. */
export interface Depth {
  /** Messages that wait; those that are delivered and not settled are not counted. */
  readonly messages: number
  readonly consumers: number
}
