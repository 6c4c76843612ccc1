import t from 'tap'
import type { Incoming } from '../../supervisor/base/message.ts'
import { createSuspects, isSecond } from '../../supervisor/execution/suspect-turns.ts'
import { collect } from '../helpers/collect.ts'

const suspect = (id: string, returns: number) => ({ id, returns, isSuspect: true }) as Incoming
const idOf = (incoming: Incoming | undefined) => incoming?.id

t.test('suspects run in their order, together, as long as they have not come back more than once', async (t) => {
  const suspects = createSuspects(() => {})
  for (const id of ['a', 'b', 'c']) suspects.push(suspect(id, id === 'b' ? 1 : 0))
  t.strictSame([suspects.next(0), suspects.next(1), suspects.next(2), suspects.next(3)].map(idOf), [
    'a',
    'b',
    'c',
    undefined,
  ])
})

t.test('of those that have, one half waits until the other has ended', async (t) => {
  const all = Array.from({ length: 20 }, (_, n) => suspect(`m${n}`, 2))
  const later = all.filter(isSecond).map(({ id }) => id)
  const sooner = all.filter((one) => !isSecond(one)).map(({ id }) => id)
  const ripe = collect<void>('turns of the other half')
  const suspects = createSuspects(() => ripe.push())
  for (const one of all) suspects.push(one)
  t.strictSame(
    sooner.map((_, n) => idOf(suspects.next(n))),
    sooner,
  )
  t.equal(suspects.next(0), undefined, 'the others may still be on their way')
  t.equal(suspects.size, later.length)
  await ripe.reach(later.length)
  t.equal(suspects.next(1), undefined, 'one of the first half still runs')
  t.strictSame(
    later.map((_, n) => idOf(suspects.next(n))),
    later,
  )
  t.equal(later.length + sooner.length, 20)
})

t.test('those whose connection is lost are taken out of both halves', async (t) => {
  const suspects = createSuspects(() => {})
  for (let n = 0; n < 20; n++) suspects.push(suspect(`m${n}`, 2))
  t.equal(suspects.remove(({ id }) => id !== 'm7').length, 19)
  t.equal(suspects.size, 1)
})

t.test('whatever ends the process each time, the innocents are parted from it', async (t) => {
  // A round: all come back, the first half runs to its end unless the guilty one is in it, and then the second.
  const guilty = 'm0'
  let left = Array.from({ length: 500 }, (_, n) => `m${n + 1}`)
  let rounds = 0
  for (; left.length > 0 && rounds < 100; rounds++) {
    const returns = rounds + 2
    if (!isSecond({ id: guilty, returns })) continue
    left = left.filter((id) => isSecond({ id, returns }))
  }
  t.equal(left.length, 0)
  t.ok(rounds < 60, `${rounds} rounds`)
})
