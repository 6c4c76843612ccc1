import { every, type OnFault } from './guard.ts'

/** Why publishers wait, if they do: the disk or the memory has no room (RabbitMQ, "Memory and Disk Alarms"). */
export interface Alarms {
  /** Of the first that was raised and is not over. */
  readonly reason: string | undefined
  /** @param reason undefined: it is over */
  set(name: 'disk' | 'memory', reason: string | undefined): void
}

/** @param onChange called when there is a reason, another one, or none any more */
export function createAlarms(onChange: (reason: string | undefined) => void): Alarms {
  const raised = new Map<string, string>()
  let known: string | undefined

  function first(): string | undefined {
    for (const reason of raised.values()) return reason
    return undefined
  }

  return {
    get reason() {
      return known
    },
    set(name, reason) {
      if (reason === undefined) raised.delete(name)
      else raised.set(name, reason)
      const now = first()
      if (now === known) return
      known = now
      onChange(now)
    },
  }
}

export interface MemoryWatch {
  /** Looks whether it is too much; called at each publish. */
  check(): void
  stop(): void
}

export interface MemoryWatchOptions {
  /** Bytes from which on publishers wait, until it is a fifth less. */
  limit: number
  /** Bytes that are held. */
  held(): number
  alarms: Alarms
  onFault: OnFault
}

/** How often it looks whether it is over, in ms. */
const INTERVAL = 100
const MB = 1_000_000

export function watchMemory({ limit, held, alarms, onFault }: MemoryWatchOptions): MemoryWatch {
  let timer: NodeJS.Timeout | undefined

  function check() {
    if (timer || held() < limit) return
    timer = every(INTERVAL, onFault, end)
    const found = `${Math.floor(held() / MB)} MB of messages are held; the limit is ${Math.floor(limit / MB)}`
    alarms.set('memory', `low on memory: ${found}`)
  }

  function end() {
    if (held() > limit * 0.8) return
    stop()
    alarms.set('memory', undefined)
  }

  function stop() {
    clearInterval(timer)
    timer = undefined
  }

  return { check, stop }
}
