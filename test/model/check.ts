import type { SimBroker, Stored } from './broker.ts'

/** What a message's handler does. */
export type Kind =
  /** It returns. */
  | 'good'
  /** It fails at each attempt. */
  | 'bad'
  /** It ends its process at each attempt. */
  | 'poison'
  /** It returns, and ends its process a while later, once: an innocent may run there then. */
  | 'bomb'

/** What became of a history. */
export interface Report {
  readonly seed: number
  /** What must not happen, and has. */
  readonly faults: readonly string[]
  readonly messages: number
  /** Handlers that ran again for a message that had been handled. */
  readonly duplicates: number
  /** Ends of a process or a connection between a copy and the acknowledgement of what it is a copy of. */
  readonly windows: number
  /** Messages that lived on as two. */
  readonly forks: number
  readonly events: Readonly<Record<string, number>>
}

export interface Facts {
  broker: SimBroker
  kinds: ReadonlyMap<string, Kind>
  attempts: number
  /** By id: how often its handler has returned. */
  successes: ReadonlyMap<string, number>
  /** By id: how many attempts it has failed itself. */
  blames: ReadonlyMap<string, number>
}

/** Holds what has become of all messages to what docs/fate.md says. */
export function check({ broker, kinds, attempts, successes, blames }: Facts): Omit<Report, 'seed' | 'events'> {
  const { faults } = broker
  const dead = new Map<string, Stored[]>()
  for (const letter of broker.ready.dead) dead.set(letter.id, [...(dead.get(letter.id) ?? []), letter])
  const charged = broker.attempts
  const endsProcesses = [...kinds.values()].some((kind) => kind === 'poison' || kind === 'bomb')
  let [duplicates, windows, forks] = [0, 0, 0]

  for (const [id, kind] of kinds) {
    const fault = (what: string) => void faults.push(`${id} (${kind}) ${what}`)
    const letters = dead.get(id) ?? []
    const window = broker.windows.get(id) ?? 0
    const handled = successes.get(id) ?? 0
    const isInnocent = kind === 'good' || kind === 'bomb'
    duplicates += Math.max(0, handled - 1)
    windows += window
    forks += Math.max(0, letters.length - 1)

    if (isInnocent ? handled === 0 : letters.length === 0) fault('was lost')
    if (isInnocent && (charged.get(id) ?? 1) > 1) fault(`was charged: attempt ${charged.get(id)}`)
    if (isInnocent && letters.length > 0) fault(`is a dead letter: ${JSON.stringify(letters)}`)
    if (letters.length > 1 + window) fault(`is ${letters.length} dead letters, with ${window} windows`)
    for (const { headers } of letters) {
      const reason = kind === 'poison' ? 'killed' : 'failed'
      if (headers['x-dead-reason'] !== reason) fault(`is dead by ${headers['x-dead-reason']}`)
      if (headers['x-dead-attempts'] !== attempts) fault(`had ${headers['x-dead-attempts']} attempts of ${attempts}`)
    }
    const charges = letters.length * attempts
    if (charges > (blames.get(id) ?? 0) * (1 + window)) fault(`was charged ${charges} times`)
    const cameBack = (broker.requeues.get(id) ?? 0) + window > 0
    if (handled > 1 && !cameBack && !endsProcesses) fault(`was handled ${handled} times for no reason`)
  }
  return { faults, messages: kinds.size, duplicates, windows, forks }
}
