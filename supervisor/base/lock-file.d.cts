/** A lock that one process at a time has, and that ends with it. */
export interface LockFile {
  /** Takes the lock if it is free or its holder is gone; never waits. */
  take(): boolean
  /** Says to those who can't look at this process that it lives. */
  touch(): void
  release(): void
  /** The pid of whoever had it when `take` last failed. */
  readonly holder: number | undefined
}

/**
 * @param options.silenceMs how long a holder that can't be looked at (in another container, on another machine) may
 *   leave its file untouched before it counts as gone
 * @param options.isUnseenGone such a holder counts as gone at once @default false
 */
export function lockFile(file: string, options: { silenceMs: number; isUnseenGone?: boolean }): LockFile
