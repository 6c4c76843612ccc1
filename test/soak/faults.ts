import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestMachine } from '../helpers/machine.ts'
import type { Proxy as NetworkProxy } from '../helpers/proxy.ts'
import type { Broker } from '../helpers/rabbitmq.ts'
import type { Load } from './load.ts'
import type { Watch } from './watch.ts'

export interface FaultsOptions {
  readonly machine: TestMachine
  readonly broker: Broker
  readonly proxy: NetworkProxy
  readonly load: Load
  readonly watch: Watch
  readonly random: () => number
  /** The file that says how far off the processes' clocks are. */
  readonly clock: string
}

/** The workers whose processes are killed at random. */
const VICTIMS = ['good', 'flaky', 'bad', 'relay', 'thread', 'first', 'second', 'front-door', 'autoscaler'] as const

/** How often each fault is chosen. */
const WEIGHTS = { kill: 8, cut: 6, freeze: 2, broker: 2, daemon: 1, clock: 3, poison: 2, scale: 2 } as const
export type FaultName = keyof typeof WEIGHTS
const NAMES = (Object.keys(WEIGHTS) as FaultName[]).flatMap((name) => Array<FaultName>(WEIGHTS[name]).fill(name))

/** Makes one thing after the other go wrong. */
export function createFaults({ machine, broker, proxy, load, watch, random, clock }: FaultsOptions) {
  const struck: Record<string, number> = {}
  /** Processes that were killed, by app. */
  const killed: Record<string, number> = {}

  const FAULTS: Record<FaultName, () => Promise<void>> = {
    async kill() {
      const name = VICTIMS[Math.floor(random() * VICTIMS.length)] as string
      const [pid] = (await machine.pids())[name] ?? []
      if (!pid) return
      killed[name] = (killed[name] ?? 0) + 1
      process.kill(pid, 'SIGKILL')
    },
    async cut() {
      proxy.cut()
    },
    async freeze() {
      proxy.freeze()
      await sleep(1_000 + random() * 29_000)
      proxy.thaw()
    },
    async broker() {
      // RabbitMQ 3.10 does not bear a kill soon after a declaration.
      await (broker.name.includes('3.10') ? broker.stop() : broker.kill())
      await sleep(random() * 5_000)
      await broker.start()
    },
    async daemon() {
      await watch.look()
      watch.forget()
      await machine.crash()
      await machine.start()
    },
    async clock() {
      writeFileSync(clock, String(Math.round((random() - 0.5) * 2 * 3_600_000)))
    },
    async poison() {
      await load.poison()
    },
    async scale() {
      await machine.pm2('scale', 'good', String(1 + Math.floor(random() * 3)))
    },
  }

  return {
    struck,
    killed,
    /** @returns its name */
    async strike(): Promise<FaultName> {
      const name = NAMES[Math.floor(random() * NAMES.length)] as FaultName
      struck[name] = (struck[name] ?? 0) + 1
      await FAULTS[name]()
      return name
    },
  }
}
