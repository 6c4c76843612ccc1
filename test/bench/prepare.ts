// Installs what the benchmarks need and this machine lacks, as far as that can be done.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { rabbitmqScripts } from '../helpers/rabbitmq.ts'

/** Where `npm run test:rabbitmq40` has it as well. */
const RABBITMQ4 = '/var/cache/warren/rabbitmq4'
const PEERS = join('test', 'bench')

/** To be called before anything reads WARREN_RABBITMQ4_ROOT. What stays missing is told; the benchmarks do without. */
export function prepare(say: (line: string) => void): void {
  if (arePeersOutdated()) attempt('the peers', 'npm', ['ci', '--no-fund', '--no-audit'], PEERS)

  const packages = missingPackages()
  process.env.WARREN_RABBITMQ4_ROOT ||= RABBITMQ4
  const root = process.env.WARREN_RABBITMQ4_ROOT
  const has = (folder: string) => existsSync(join(folder, 'usr/lib/rabbitmq/bin/rabbitmq-server'))
  // Where tests have a newer one it will do: for whether benchmarks work, another need not be installed.
  const lacksRabbitmq4 = !has(root) && !has(process.env.WARREN_RABBITMQ43_ROOT ?? root)
  if (isRootOnDebian()) {
    if (packages.length > 0) attempt(packages.join(', '), 'test/helpers/install-packages.sh', packages)
    if (lacksRabbitmq4) attempt('RabbitMQ 4', 'test/helpers/install-rabbitmq.sh', ['trixie', root])
  } else {
    const missing = [...packages, ...(lacksRabbitmq4 ? ['RabbitMQ 4'] : [])]
    if (missing.length > 0) say(`Missing, and installed only for root on Debian: ${missing.join(', ')}`)
  }

  function attempt(what: string, command: string, args: readonly string[], cwd = '.'): void {
    say(`Installing ${what}`)
    // Standard output is for the figures.
    const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] })
    if (status !== 0) say(`Missing: ${what}. ${command} ${error ? error.message : `ended with code ${status}`}`)
  }
}

/** Whether the packages of the peers are missing, or others than their lock file says. */
function arePeersOutdated(): boolean {
  const installed = statSync(join(PEERS, 'node_modules', '.package-lock.json'), { throwIfNoEntry: false })
  return !installed || installed.mtimeMs < statSync(join(PEERS, 'package-lock.json')).mtimeMs
}

function missingPackages(): string[] {
  const path = (process.env.PATH ?? '').split(delimiter)
  const hasRedis = path.some((folder) => existsSync(join(folder, 'redis-server')))
  return [...(hasRedis ? [] : ['redis-server']), ...(rabbitmqScripts() ? [] : ['rabbitmq-server'])]
}

function isRootOnDebian(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version')
}
