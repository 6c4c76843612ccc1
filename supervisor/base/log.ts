import { types } from 'node:util'
import { type Logger, type LoggerOptions, pino } from 'pino'
import { recordOf } from './error-record.ts'
import { reasonOf } from './errors.ts'
import { openOutput } from './log-output.ts'

export type { Logger }

/** The levels that `LOG_LEVEL` takes, most talkative first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/**
 * A JSON logger on standard output, which pm2 collects.
 * It writes synchronously: the last line before a crash is the one that matters.
 * Nothing that is logged makes a call throw, and nothing that happens to the output reaches the process.
 */
export function createLogger(name: string, level: string): Logger {
  const output = openOutput(1, function noteOf(lost, code) {
    const time = new Date().toISOString()
    const msg = 'log lines could not be written, and are lost'
    return `${JSON.stringify({ level: 'warn', time, pid: process.pid, name, lost, code, msg })}\n`
  })
  return loggerOn(output, { name, level, base: { pid: process.pid } })
}

/** A logger whose calls never throw, on any stream of lines. */
export function loggerOn(stream: { write(line: string): void }, options: LoggerOptions): Logger {
  const logger = pino(
    {
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorFields },
      hooks: {
        logMethod(args, method) {
          try {
            method.apply(this, safeArgs(args) as typeof args)
          } catch (error) {
            tellUnreadable(this, method, args, error)
          }
        },
      },
      ...options,
    },
    stream,
  )
  const child = logger.child
  // Every child inherits it.
  logger.child = function childOf(this: Logger, ...args: Parameters<typeof child>) {
    try {
      return child.apply(this, args)
    } catch (error) {
      return child.call(this, { unreadable: reasonOf(error) })
    }
  } as typeof child
  return logger
}

/** What pino would read of foreign values without a try, or write as no JSON. */
function safeArgs(args: readonly unknown[]): readonly unknown[] {
  const [first, ...others] = args
  switch (typeof first) {
    case 'object':
      // A proxy's traps would run in `instanceof`, which can take for ever.
      return types.isProxy(first) || first instanceof Error ? [{ err: recordOf(first) }, ...others] : args
    case 'function':
    case 'symbol':
    case 'bigint':
      return ['%s', reasonOf(first)]
    default:
      return args
  }
}

/** Logs with whatever logger: what it throws is dropped, where something has to be done whether or not it can be logged. */
export function logSafely(log: () => void): void {
  try {
    log()
  } catch {
    // Logging decides nothing.
  }
}

/** A line in place of one that can't be made, with what can be said of it. */
function tellUnreadable(logger: Logger, method: (...args: never[]) => void, args: unknown[], error: unknown): void {
  try {
    const msg = args.find((arg) => typeof arg === 'string') ?? 'a log line can not be written'
    ;(method as (...args: unknown[]) => void).call(logger, { unreadable: reasonOf(error) }, '%s', msg)
  } catch {
    // Logging decides nothing.
  }
}

/** An error as log lines have it. */
function errorFields(thrown: unknown): Record<string, unknown> {
  const { name, message, stack, code, facts, issues, problems, cause } = recordOf(thrown)
  return {
    type: name,
    message,
    ...(stack !== '' && { stack }),
    ...(code !== undefined && { code }),
    ...facts,
    ...(issues && { issues }),
    ...(problems && { problems }),
    ...(cause && { cause: errorFields(cause) }),
  }
}
