// What the sides run on: private brokers and a Redis, each started when the first scenario needs it.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noPrivateNode } from '../helpers/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts'
import { rabbitmq40, rabbitmq43 } from '../helpers/other-rabbitmq.ts'
import { launchRabbitmq, type RabbitmqNode } from '../helpers/rabbitmq.ts'
import { removeFolder, type Teardown } from '../helpers/tmp.ts'
import { isInstalled } from './peers/installed.ts'
import { noRedis, type Redis, startRedis } from './redis.ts'

export interface Services {
  /** How much smaller everything is than a full run: 1 for that. */
  readonly shrink: number
  /** So many messages, or fewer in a small run. */
  size(count: number): number
  /**
   * Of a scenario's sizes of messages those that are to be measured.
   * @throws Error if there is none as asked for
   */
  sizesOf<T>(all: Readonly<Record<string, T>>): readonly [name: string, T][]
  /** Whether only one size is measured. */
  readonly isOneSize: boolean
  /** RabbitMQ 4, which the comparisons are made on; RabbitMQ 3 where there is none. */
  rabbitmq(): Promise<RabbitmqNode>
  /** The older one. */
  rabbitmq3(): Promise<RabbitmqNode>
  /** Warren's own, in a process of its own. */
  embedded(): Promise<BrokerProcess>
  redis(): Promise<Redis>
  /** Whether a peer can take part; says so, once, where it can't. */
  has(what: 'bullmq' | 'rabbitmq3' | 'rabbitmq4'): boolean
}

/**
 * @param options.only the name of the only size that is measured, with or without spaces
 * @param options.say is told what can't take part
 */
export function createServices(
  t: Teardown,
  { shrink, only, say = console.log }: { shrink: number; only?: string | undefined; say?: (line: string) => void },
): Services {
  const told = new Set<string>()

  function once<T>(start: () => Promise<T>): () => Promise<T> {
    let started: Promise<T> | undefined
    return () => {
      started ??= start()
      return started
    }
  }

  const rabbitmqOf = (root: string | undefined) =>
    once(async function startNode() {
      const node = await launchRabbitmq({ root })
      t.teardown(node.close)
      return node
    })

  const rabbitmq3 = rabbitmqOf(undefined)
  // The published figures are of the first.
  const rabbitmq4 = [rabbitmq40, rabbitmq43].find(({ skip }) => !skip)
  return {
    shrink,
    size: (count) => Math.max(10, Math.round(count / shrink)),
    isOneSize: only !== undefined,
    sizesOf(all) {
      const sizes = Object.entries(all)
      if (only === undefined) return sizes
      const named = sizes.filter(([name]) => name.replaceAll(' ', '') === only.replaceAll(' ', ''))
      const names = sizes.map(([name]) => name).join(', ')
      if (named.length === 0) throw new Error(`--size: expected one of ${names}; found '${only}'`)
      return named
    },
    rabbitmq: rabbitmq4 ? rabbitmqOf(rabbitmq4.root) : rabbitmq3,
    rabbitmq3,
    embedded: once(async function startEmbedded() {
      const folder = mkdtempSync(join(tmpdir(), 'warren-bench-'))
      t.teardown(() => removeFolder(folder))
      const broker = await startBrokerProcess({ folder })
      t.teardown(broker.stop)
      return broker
    }),
    redis: once(() => startRedis(t)),
    has(what) {
      const why = { bullmq: whyNoBullmq(), rabbitmq3: noPrivateNode, rabbitmq4: rabbitmq4 ? false : rabbitmq40.skip }[
        what
      ]
      if (why && !told.has(what)) say(why)
      told.add(what)
      return !why
    },
  }
}

function whyNoBullmq(): string | false {
  return isInstalled('bullmq') ? noRedis() : 'BullMQ is left out: `npm ci --prefix test/bench` installs it.'
}
