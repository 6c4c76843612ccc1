import type { Scenario } from '../scenario.ts'

/** The scenarios, in the order in which they run; each is loaded when it is its turn. */
const loaders: Readonly<Record<string, () => Promise<Scenario>>> = {
  consume: async () => (await import('./consume.ts')).consume,
  publish: async () => (await import('./publish.ts')).publish,
  latency: async () => (await import('./latency.ts')).latency,
  'front-door': async () => (await import('./front-door.ts')).frontDoor,
  call: async () => (await import('./call.ts')).call,
  fanout: async () => (await import('./fanout.ts')).fanout,
  retries: async () => (await import('./retries.ts')).retries,
  cpu: async () => (await import('./cpu.ts')).cpu,
  startup: async () => (await import('./startup.ts')).startup,
  memory: async () => (await import('./memory.ts')).memory,
  backlog: async () => (await import('./backlog.ts')).backlog,
  broker: async () => (await import('./broker.ts')).broker,
  embedded: async () => (await import('./embedded.ts')).embedded,
}

export const SCENARIOS = Object.keys(loaders)

export function loadScenario(name: string): Promise<Scenario> {
  const load = loaders[name]
  if (!load) throw new Error(`expected a scenario out of ${SCENARIOS.join(', ')}, found '${name}'`)
  return load()
}
