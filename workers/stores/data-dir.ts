import { resolve } from 'node:path'

/** The folder of what FlixTube keeps: `DATA_DIR`, or `data` in the project. */
export function dataDir(): string {
  return resolve(process.env.DATA_DIR?.trim() || 'data')
}
