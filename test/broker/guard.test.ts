import t from 'tap'
import { attempt, every, guarded, later, nextTurn, type OnFault, soon } from '../../supervisor/broker/guard.ts'

t.test('what is thrown in a timer goes to whoever answers for it, and nothing ends', async (t) => {
  const set: ((onFault: OnFault, action: () => void) => void)[] = [
    attempt,
    soon,
    (onFault, action) => void later(1, onFault, action),
    (onFault, action) => guarded(onFault, action)(),
    (onFault, action) => {
      const timer = every(1, onFault, () => {
        clearInterval(timer)
        action()
      })
    },
  ]
  for (const guard of set) {
    // Such timers alone don't keep the process.
    const kept = setTimeout(() => t.fail('nothing came'), 10_000)
    const fault = new Error('a fault')
    const caught = await new Promise<unknown>((resolve) => {
      guard(resolve, () => {
        throw fault
      })
    })
    clearTimeout(kept)
    t.equal(caught, fault)
  }
  await nextTurn()
})
