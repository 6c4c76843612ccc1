import t from 'tap'
import { groupsOf, type Outdated, wavesOf } from '../../supervisor/scaling/start-plan.ts'

function outdated(name: string, isAsleep = false): Outdated {
  const isWorker = !['broker', 'front-door'].includes(name)
  const app = { name, namespace: 'x', script: '', instances: 1, ...(isWorker && { args: [name] }) }
  return { app, instances: [], why: '', isAsleep }
}
const names = (groups: Outdated[][]) => groups.map((group) => group.map(({ app }) => app.name).join(' '))

t.test('the broker, one worker alone, the others in groups, those that sleep, the front door', async (t) => {
  const awake = ['a', 'b', 'c', 'd', 'e'].map((name) => outdated(name))
  const asleep = ['x', 'y', 'z'].map((name) => outdated(name, true))
  const all = [outdated('front-door'), ...asleep, ...awake, outdated('broker')]
  t.same(names(groupsOf(all, 3, 2)), ['broker', 'a', 'b c d', 'e', 'x y', 'z', 'front-door'])
  t.same(names(groupsOf(asleep, 16, 0)), ['x', 'y', 'z'], 'one, where the machine has as many as it may have')
  t.same(groupsOf([], 16, 16), [])
  const sixty = Array.from({ length: 60 }, (_, n) => outdated(`w${n}`))
  t.equal(groupsOf(sixty, 16, 16).length, 5)
})

t.test('more workers than the machine may have: those that may sleep in waves', async (t) => {
  const fresh = ['front-door', 'a', 'b', 'x', 'y', 'z'].map((name) => outdated(name).app)
  const canSleep = new Set(['x', 'y', 'z'])
  const waves = (awake: number, ceiling: number) => {
    const { together, waves } = wavesOf(fresh, canSleep, awake, ceiling)
    return [together, ...waves].map((apps) => apps.map(({ name }) => name).join(' '))
  }
  t.same(waves(0, 5), ['front-door a b x y z'])
  t.same(waves(0, 4), ['front-door a b', 'x y', 'z'])
  t.same(waves(1, 5), ['front-door a b', 'x y', 'z'])
  t.same(waves(9, 5), ['front-door a b', 'x', 'y', 'z'], 'one at a time, as their queues have to be there')
})
