import t from 'tap'
import { guarded } from './guarded.ts'
import { measureScenario } from './measure-scenario.ts'
import type { Scenario, Side } from './scenario.ts'
import type { Services } from './services.ts'

const never = () => new Promise<never>(() => {})
const fast: Side = { name: 'fast', sample: async () => ({ a: 1 }) }

function scenarioOf(...sides: Side[]): Scenario {
  return { name: 's', title: '', measures: [{ name: 'a', unit: 'x', better: 'more' }], open: async () => sides }
}

async function measure(scenario: Scenario, { limit = 10_000, interrupted = never() } = {}) {
  const opened: string[] = []
  const guard = { limit, interrupted, onSides: (names: readonly string[]) => void opened.push(...names) }
  const options = { rounds: 2, onProgress: () => {} }
  return { result: await measureScenario(guarded(scenario, guard), {} as Services, options), opened }
}

t.test('a scenario is what it was', async (t) => {
  let warmUps = 0
  const warmed = { ...fast, name: 'warmed', warmUp: async () => void warmUps++ }
  const { result, opened } = await measure(scenarioOf(fast, warmed))
  t.same(opened, ['fast', 'warmed'])
  t.same(result.measures[0]?.sides, [
    { name: 'fast', values: [1, 1] },
    { name: 'warmed', values: [1, 1] },
  ])
  t.equal(warmUps, 1)
})

t.test('what does not end is a failure', async (t) => {
  const message = (what: string) => ({ message: `${what} took longer than 0.05 s` })
  const limit = { limit: 50 }
  await t.rejects(
    measure(scenarioOf({ name: 'slow', sample: never, warmUp: async () => {} }), limit),
    message('a sample of slow'),
  )
  await t.rejects(measure(scenarioOf({ ...fast, warmUp: never }), limit), message('the warm-up of fast'))
  await t.rejects(measure({ ...scenarioOf(), open: never }, limit), message('its start'))
})

t.test('an interruption ends it, and what it has started', async (t) => {
  let hasEnded = false
  const scenario: Scenario = {
    ...scenarioOf(),
    async open(_, t) {
      t.teardown(() => {
        hasEnded = true
      })
      return [{ name: 'slow', sample: never }]
    },
  }
  const interrupted = Promise.reject(new Error('interrupted'))
  interrupted.catch(() => {})
  await t.rejects(measure(scenario, { interrupted }), { message: 'interrupted' })
  t.ok(hasEnded)
})
