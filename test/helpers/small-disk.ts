import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Teardown } from './tmp.ts'

/** For a test's `skip`. */
export const cannotMount = process.getuid?.() !== 0 && 'needs root, to mount a small disk'

/** A disk of a test's own, in memory; returns where it is. */
export function smallDisk(t: Teardown, megabytes: number): string {
  const disk = mkdtempSync(join(tmpdir(), 'warren-disk-'))
  const options = ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', disk]
  const { status, stderr } = spawnSync('mount', options, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mount: ${stderr}`)
  t.teardown(() => {
    spawnSync('umount', ['-l', disk])
    rmdirSync(disk)
  })
  return disk
}
