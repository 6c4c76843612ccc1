import t from 'tap'
import { createSlices, type SlicesOptions } from '../../supervisor/broker/slices.ts'

/** Slices of three steps, each of which takes a millisecond of the test's own time, and what they have done. */
function sliced(options: Partial<SlicesOptions> = {}) {
  const done: string[] = []
  const errors: unknown[] = []
  let time = 0
  const slices = createSlices({ onError: (error) => errors.push(error), turnMs: 3, now: () => time, ...options })

  function* steps(name: string, count: number, onStep?: (step: number) => void): Generator<void> {
    for (let step = 1; step <= count; step++) {
      time++
      done.push(`${name}${step}`)
      onStep?.(step)
      yield
    }
    time++
  }

  return { slices, steps, errors, take: () => done.splice(0).join(' ') }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('what fits into a turn is done at once', async (t) => {
  const { slices, steps, take } = sliced()
  t.equal(
    slices.run({}, steps('a', 2), () => t.fail('it was done before')),
    true,
  )
  t.equal(take(), 'a1 a2')
})

t.test('the rest waits for later turns, in which each owner has its slice', async (t) => {
  const { slices, steps, take } = sliced()
  const finished: string[] = []
  t.equal(
    slices.run({}, steps('a', 6), () => finished.push('a')),
    false,
  )
  t.equal(take(), 'a1 a2 a3')
  t.equal(
    slices.run({}, steps('b', 1), () => finished.push('b')),
    false,
  )
  t.equal(take(), '', 'the time of the turn is up')
  await turn()
  t.equal(take(), 'a4 a5 a6')
  await turn()
  t.equal(take(), 'b1')
  await turn()
  t.same(finished, ['b', 'a'])
  t.equal(slices.run({}, steps('c', 2)), true, 'the time of a turn begins anew')
})

t.test('the work of one owner is done in order', async (t) => {
  const { slices, steps, take } = sliced()
  const owner = {}
  slices.run(owner, steps('a', 5))
  slices.run(owner, steps('b', 1))
  t.equal(take(), 'a1 a2 a3')
  for (let n = 0; n < 4; n++) await turn()
  t.equal(take(), 'a4 a5 b1')
})

t.test('what a step starts is done before the next step', async (t) => {
  const { slices, steps, take } = sliced({ turnMs: 100 })
  const finished: string[] = []
  const start = (name: string) => slices.run({}, steps(name, 2), () => finished.push(name))
  slices.run(
    {},
    steps('a', 2, (step) => {
      if (step === 1) for (const name of ['b', 'c']) t.equal(start(name), false)
    }),
  )
  t.equal(take(), 'a1 b1 b2 c1 c2 a2')
  t.same(finished, ['b', 'c'])
})

t.test('what fails costs its own work only', async (t) => {
  const { slices, steps, errors, take } = sliced({ turnMs: 100 })
  const failing = (step: number) => {
    if (step === 2) throw new Error('the second step')
  }
  t.equal(slices.run({}, steps('a', 5, failing)), true)
  t.equal(slices.run({}, steps('b', 2)), true)
  t.equal(take(), 'a1 a2 b1 b2')
  t.match(errors, [{ message: 'the second step' }])
})

t.test('nothing goes on while too much waits for the disk', async (t) => {
  let isBusy = false
  let calm = () => {}
  const pressure = {
    isBusy: () => isBusy,
    whenCalm(action: () => void) {
      calm = action
    },
  }
  const { slices, steps, take } = sliced({ turnMs: 100, pressure })
  const becomeBusy = (step: number) => {
    isBusy = step === 2
  }
  t.equal(slices.run({}, steps('a', 3, becomeBusy)), false)
  t.equal(slices.run({}, steps('b', 1)), false)
  t.equal(take(), 'a1 a2')
  await turn()
  t.equal(take(), '')
  isBusy = false
  calm()
  await turn()
  t.equal(take(), 'a3 b1')
})

t.test('closed, it drops what is left', async (t) => {
  const { slices, steps, take } = sliced()
  slices.run({}, steps('a', 9))
  slices.close()
  take()
  await turn()
  t.equal(take(), '')
})
