// npm run test:clients: installs the clients that are missing, as root on Debian, and runs their programs.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isInstalled, PROGRAMS } from './programs.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const missing = PROGRAMS.filter((program) => !isInstalled(program)).flatMap(({ packages }) => packages)

if (missing.length > 0 && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
  run(join(ROOT, 'test/helpers/install-packages.sh'), missing)
}
run(process.execPath, ['--enable-source-maps', join(import.meta.dirname, 'clients.test.js')])

function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
