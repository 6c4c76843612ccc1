import { StartupError } from '../../base/errors.ts'

/** Another process has the store open. */
export class StoreLockedError extends StartupError {
  constructor(folder: string, pid: number) {
    super(
      'WARREN_STORE_LOCKED',
      `The broker's store ${folder} is in use by process ${pid}. Stop that one, or choose another DATA_DIR.`,
    )
  }
}

/** The store does not hold what was written to it. */
export class StoreDamagedError extends StartupError {
  constructor(folder: string, reason: string, options?: ErrorOptions) {
    super(
      'WARREN_STORE_DAMAGED',
      `The broker's store ${folder} is damaged: ${reason}. Nothing was changed. ` +
        'Restore the folder from a backup, or move it away to start with an empty one.',
      options,
    )
  }
}
