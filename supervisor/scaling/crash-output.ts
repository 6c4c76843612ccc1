import type { Pm2Event } from './pm2.ts'

/** How many of the last lines on standard error are kept. */
const TAIL_LINES = 15
/** Characters of a log line that are kept until its end comes; a longer one is no line of ours. */
const MAX_LINE_CHARS = 256 * 1024

type LogEvent = Extract<Pm2Event, { kind: 'log' }>

/** What processes write, as far as it says why they ended; by pm2's id of the process. */
export interface CrashOutput {
  /** Adds a piece of output, which may end within a line. */
  add(event: LogEvent): void
  /** The reason in the last fatal log line; undefined: there was none. */
  reasonOf(id: number): string | undefined
  /** The last 15 lines on standard error. */
  errorsOf(id: number): string
  forget(id: number): void
  clear(): void
}

/** Keeps the reason of each process's last fatal log line and the end of its standard error. */
export function keepCrashOutput(): CrashOutput {
  const reasons = new Map<number, string>()
  const errors = new Map<number, string>()
  /** The beginnings of log lines whose ends have not come yet. */
  const begun = new Map<number, string>()
  const all = [reasons, errors, begun]

  function addLog(id: number, text: string): void {
    const lines = `${begun.get(id) ?? ''}${text}`.split('\n')
    const rest = lines.pop() ?? ''
    begun.set(id, rest.length > MAX_LINE_CHARS ? '' : rest)
    for (const line of lines) {
      const reason = reasonIn(line)
      if (reason !== undefined) reasons.set(id, reason)
    }
  }

  return {
    add({ id, stream, text }) {
      if (stream === 'out') return addLog(id, text)
      const lines = `${errors.get(id) ?? ''}${text}`.split('\n')
      errors.set(id, lines.slice(-TAIL_LINES - 1).join('\n'))
    },
    reasonOf: (id) => reasons.get(id),
    errorsOf: (id) => errors.get(id)?.trim() ?? '',
    forget(id) {
      for (const known of all) known.delete(id)
    },
    clear() {
      for (const known of all) known.clear()
    },
  }
}

/** The reason in a fatal log line of Warren's; users' output on the same stream may be anything. */
function reasonIn(line: string): string | undefined {
  if (!line.includes('"level":"fatal"')) return undefined
  try {
    const { level, reason, msg } = JSON.parse(line) as Record<string, unknown>
    const text = reason ?? msg
    return level === 'fatal' && typeof text === 'string' ? text : undefined
  } catch {
    return undefined
  }
}
