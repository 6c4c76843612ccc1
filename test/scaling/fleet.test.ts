// What is known of the processes, while they crash and come back: the autoscaler acts on this alone.
import t from 'tap'
import type { ProcessState } from '../../supervisor/base/state.ts'
import { trackInstances } from '../../supervisor/scaling/fleet.ts'
import type { Instance, Pm2Event } from '../../supervisor/scaling/pm2.ts'

/** A pm2 with one instance of `work`, whose processes do as they are told here. */
async function onePm2() {
  let tell: (event: Pm2Event) => void = () => {}
  const process = { pid: 100, status: 'online' }
  const told: string[] = []
  const pm2 = {
    list: async () => {
      told.push('list')
      return [{ id: 7, name: 'work', ...process } as Instance]
    },
    listen: async (onEvent: (event: Pm2Event) => void) => {
      tell = onEvent
    },
    askState: async (id: number) => void told.push(`state ${id}`),
    quiet: async (id: number) => void told.push(`quiet ${id}`),
  }
  const changes = { count: 0 }
  const instances = await trackInstances(
    pm2,
    (all) => [...all],
    () => changes.count++,
    () => {},
  )
  await instances.refresh()
  told.splice(0)
  return {
    instances,
    told,
    changes,
    says(state: Partial<ProcessState>) {
      const data = { pid: process.pid, status: 'ready', inProgress: 0, taken: 0, ...state }
      tell({ kind: 'state', id: 7, name: 'work', state: data as ProcessState })
    },
    exits() {
      tell({ kind: 'exit', id: 7, name: 'work', code: 1, startedAt: 0 })
    },
    becomes: (next: Partial<typeof process>) => void Object.assign(process, next),
    get now() {
      return instances.running('work')[0]
    },
  }
}

t.test('one that crashes after it has become quiet comes back as one that takes messages', async (t) => {
  const one = await onePm2()
  one.says({ inProgress: 2 })
  t.match(one.now, { phase: 'live', inProgress: 2, isReady: true })
  one.instances.markQuiet(7)
  t.match(one.now, { phase: 'quiet', inProgress: undefined, isReady: false }, 'what it has said was before')
  one.says({ status: 'quiet', inProgress: 0 })
  t.match(one.now, { phase: 'quiet', inProgress: 0 })

  one.exits()
  t.match(one.now, { phase: 'live', inProgress: undefined }, 'before pm2 lists it anew, it is not taken for idle')
  one.becomes({ pid: 101 })
  await one.instances.refresh()
  t.match(one.now, { phase: 'live', inProgress: undefined, isReady: false })
  one.says({ inProgress: 1 })
  t.match(one.now, { phase: 'live', inProgress: 1, isReady: true })
})

t.test('one that is told to be quiet while it does not run comes back as one that takes messages', async (t) => {
  const one = await onePm2()
  one.exits()
  one.becomes({ pid: 0, status: 'waiting restart' })
  await one.instances.refresh()
  t.match(one.now, { phase: 'live', inProgress: 0 }, 'what it had is in the queue again')
  one.instances.markQuiet(7)
  t.match(one.now, { phase: 'quiet', inProgress: 0 }, 'it can be ended at once')
  one.becomes({ pid: 101, status: 'online' })
  await one.instances.refresh(true)
  one.says({ inProgress: 3 })
  t.match(one.now, { phase: 'live', inProgress: 3 }, 'or else it has not heard')
})

t.test('one that was told to be quiet and has heard it only after its restart is quiet', async (t) => {
  const one = await onePm2()
  one.instances.markQuiet(7)
  one.exits()
  one.becomes({ pid: 101 })
  await one.instances.refresh()
  one.says({ status: 'quiet', inProgress: 0 })
  t.match(one.now, { phase: 'quiet', inProgress: 0 })
})

t.test('one that does not become quiet is told again', async (t) => {
  const one = await onePm2()
  one.says({})
  one.instances.markQuiet(7)
  await one.instances.refresh(true)
  t.same(one.told, ['list', 'quiet 7'])
  one.says({ status: 'quiet' })
  await one.instances.refresh(true)
  t.same(one.told, ['list', 'quiet 7', 'list'], 'until it is')
})

t.test('what pm2 lists is read again after a while, by no clock that can be set', async (t) => {
  const one = await onePm2()
  const { now } = Date
  t.teardown(() => Object.assign(Date, { now }))
  await one.instances.refresh()
  t.same(one.told, [])
  Object.assign(Date, { now: () => now() + 3_600_000 })
  await one.instances.refresh()
  t.same(one.told, [], 'an hour ahead')
})
