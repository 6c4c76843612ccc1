import { type Logger, pino } from 'pino'

export type { Logger }

/** The levels that `LOG_LEVEL` takes, most talkative first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/**
 * A JSON logger on standard output, which pm2 collects.
 * It writes synchronously: the last line before a crash is the one that matters.
 */
export function createLogger(name: string, level: string): Logger {
  return pino(
    {
      name,
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 1, sync: true }),
  )
}
