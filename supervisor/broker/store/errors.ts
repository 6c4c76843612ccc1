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

/** The disk has no space for anything. Not permanent: whoever starts it again finds space some time. */
export class StoreFullError extends Error {
  readonly code = 'WARREN_STORE_FULL'

  constructor(folder: string, options?: ErrorOptions) {
    super(
      `The disk of the broker's store ${folder} is full: not even its lock can be written. Nothing is lost, and the broker ` +
        'starts once there is space.',
      options,
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

/** A store's layout is another than this version of Warren reads and writes. */
export class StoreFormatError extends StartupError {
  constructor(folder: string, file: string, found: unknown, expected: number) {
    super(
      'WARREN_STORE_FORMAT',
      `The broker's store ${folder} has another format: expected ${expected} in its file ${file}, found ` +
        `${JSON.stringify(found) ?? 'none'}. Nothing was changed. Run the version of Warren that wrote it, or set ` +
        'DATA_DIR to another folder.',
    )
  }
}
