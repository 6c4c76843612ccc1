// RabbitMQ of other Debian releases than this machine's, each in a root folder of its own.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { embeddedOnly } from './embedded-only.ts'
import { launchRabbitmq, type RabbitmqNode, startRabbitmq } from './rabbitmq.ts'
import type { Teardown } from './tmp.ts'

/** A version of RabbitMQ in a folder that install-rabbitmq.sh made. */
export interface OtherRabbitmq {
  /** For test names: 'RabbitMQ 4.3'. */
  readonly name: string
  /** The Debian release that install-rabbitmq.sh takes it from. */
  readonly release: string
  /** The environment variable that names its folder. */
  readonly variable: string
  /** That folder; undefined where the variable is not set. */
  readonly root: string | undefined
  /** Why it can't be started here, or false: made to be tap's `skip` option. */
  readonly skip: string | false
  /** Starts a private node; closed when the test ends. @throws Error with `skip` where that is not false */
  start(t: Teardown): Promise<RabbitmqNode>
  /** The same for callers who close it themselves. */
  launch(): Promise<RabbitmqNode>
}

/** The oldest RabbitMQ 4 that is tried, by the scripts that name it. */
export const rabbitmq40 = otherRabbitmq('RabbitMQ 4.0', 'trixie', 'WARREN_RABBITMQ4_ROOT')

/** The newest one, beside which everything is tested. */
export const rabbitmq43 = otherRabbitmq('RabbitMQ 4.3', 'forky', 'WARREN_RABBITMQ43_ROOT')

function otherRabbitmq(name: string, release: string, variable: string): OtherRabbitmq {
  const root = process.env[variable] || undefined
  const skip = whyNot()

  function whyNot(): string | false {
    if (embeddedOnly) return embeddedOnly
    const skipped = `The tests that need a ${name} are skipped: ${variable}`
    if (!root)
      return `${skipped} is not set. \`test/helpers/install-rabbitmq.sh ${release} DIR\` makes a folder for it.`
    if (!existsSync(join(root, 'usr/lib/rabbitmq/bin/rabbitmq-server'))) return `${skipped} holds none.`
    return process.getuid?.() === 0 ? false : `${skipped} can be used by root only.`
  }

  function options(): { root: string | undefined } {
    if (skip) throw new Error(skip)
    return { root }
  }

  return {
    name,
    release,
    variable,
    root,
    skip,
    start: async (t) => startRabbitmq(t, options()),
    launch: async () => launchRabbitmq(options()),
  }
}
