import { parseArgs } from 'node:util'
import { StartupError } from '../base/errors.ts'
import type { WorkerSummary } from '../base/fleet.ts'
import { didYouMean } from '../base/suggest.ts'
import type { Output } from './dead.ts'

/** The most that a worker can be pinned to. */
const MOST = 1_000

/**
 * `warren scale NAME auto|N`: pins a worker to a number of instances on this machine, or releases it.
 * @param pin notes it; undefined: released
 * @throws StartupError for arguments that make no sense, and for a worker that the autoscaler has nothing to do with
 */
export async function runScale(
  args: string[],
  workers: () => Promise<readonly WorkerSummary[]>,
  pin: (worker: string, instances: number | undefined) => Promise<void>,
  output: Output,
): Promise<void> {
  const [name, count, ...others] = parseArgs({ args, options: {}, allowPositionals: true }).positionals
  if (name === undefined || count === undefined || others.length > 0) {
    throw usage('expected `warren scale NAME auto` or `warren scale NAME N`')
  }
  const all = await workers()
  const worker = all.find((one) => one.name === name)
  if (!worker) {
    const names = all.map((one) => one.name)
    throw usage(`expected a worker of this project (${names.join(', ')}), found '${name}'${didYouMean(name, names)}`)
  }
  if (!worker.scale) {
    throw usage(`worker '${name}' has no \`scale\`, so it is nobody's but yours: \`npx pm2 scale ${name} ${count}\``)
  }
  const instances = count === 'auto' ? undefined : Number(count)
  if (instances !== undefined && !(Number.isInteger(instances) && instances >= 0 && instances <= MOST)) {
    throw usage(`expected auto, or a whole number from 0 to ${MOST}; found '${count}'`)
  }
  await pin(name, instances)
  output.print(
    instances === undefined
      ? `${name} follows its load again.`
      : `${name} is pinned to ${instances} on this machine, until \`npx warren scale ${name} auto\`.`,
  )
}

function usage(message: string): StartupError {
  return new StartupError('WARREN_USAGE', message)
}
