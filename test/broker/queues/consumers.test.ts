import t from 'tap'
import { type Consumer, type ConsumerRules, consumerList } from '../../../supervisor/broker/queues/consumers.ts'

const classic = { singleActive: false, quorum: false }
const quorum = { singleActive: false, quorum: true }

/** A list, and what happens to it, by the consumers' tags. */
function listOf(rules: ConsumerRules, ...consumers: { tag: string; prefetch?: number; priority?: number }[]) {
  const list = consumerList(rules)
  const byTag = new Map<string, Consumer>()
  const consumer = (tag: string) => byTag.get(tag) as Consumer

  function join({ tag, prefetch = Number.POSITIVE_INFINITY, priority = 0 }: (typeof consumers)[number]): void {
    const joining: Consumer = {
      tag,
      priority,
      exclusive: false,
      limit: prefetch,
      place: 0,
      unacked: 0,
      canTake: () => joining.unacked < prefetch,
      deliver: () => void joining.unacked++,
      cancel: () => undefined,
    }
    byTag.set(tag, joining)
    list.add(joining)
  }

  for (const each of consumers) join(each)
  return {
    join,
    /** Who gets so many messages; '-' where nobody can take one. */
    deliver(count: number): string {
      const tags = Array.from({ length: count }, () => {
        const next = list.next()
        if (!next) return '-'
        next.deliver({} as never)
        list.served(next)
        return next.tag
      })
      return tags.join(' ')
    },
    settle(tag: string): void {
      consumer(tag).unacked--
      list.resume(consumer(tag))
    },
    leave: (tag: string) => list.remove(consumer(tag)),
  }
}

t.test('consumers take turns', async (t) => {
  for (const rules of [classic, quorum]) {
    const list = listOf(rules, { tag: 'a' }, { tag: 'b' }, { tag: 'c' })
    t.equal(list.deliver(4), 'a b c a')
    list.leave('b')
    t.equal(list.deliver(3), 'c a c')
    list.join({ tag: 'd' })
    t.equal(list.deliver(3), 'a c d')
  }
})

t.test('the higher priority goes first, as long as it can take more', async (t) => {
  for (const rules of [classic, quorum]) {
    const list = listOf(rules, { tag: 'low' }, { tag: 'high', priority: 5, prefetch: 2 })
    t.equal(list.deliver(4), 'high high low low')
    list.settle('high')
    t.equal(list.deliver(2), 'high low')
  }
})

t.test('nobody can take a message until somebody settles one', async (t) => {
  for (const rules of [classic, quorum]) {
    const list = listOf(rules, { tag: 'a', prefetch: 1 }, { tag: 'b', prefetch: 1 })
    t.equal(list.deliver(3), 'a b -')
    list.settle('b')
    t.equal(list.deliver(2), 'b -')
    list.leave('a')
    t.equal(list.deliver(1), '-')
  }
})

t.test('who has taken all it may stands at the end of the line when it can take more', async (t) => {
  const consumers = [{ tag: 'a', prefetch: 1 }, { tag: 'b' }, { tag: 'c' }]
  const settledAfterTwo = (rules: ConsumerRules) => {
    const list = listOf(rules, ...consumers)
    const first = list.deliver(2)
    list.settle('a')
    return `${first}, ${list.deliver(3)}`
  }
  // It went to the end of the line with its delivery, and its turn has not come again.
  t.equal(settledAfterTwo(classic), 'a b, c a b')
  // It left with its delivery, and comes after b, which stood behind it.
  t.equal(settledAfterTwo(quorum), 'a b, c b a')
})

t.test('a single active consumer gets everything until it goes', async (t) => {
  for (const quorum of [false, true]) {
    const list = listOf({ singleActive: true, quorum }, { tag: 'a', prefetch: 2 }, { tag: 'b' }, { tag: 'c' })
    t.equal(list.deliver(3), 'a a -')
    list.settle('a')
    t.equal(list.deliver(2), 'a -')
    list.leave('a')
    t.equal(list.deliver(2), 'b b')
  }
})

t.test('a single active consumer stays when a higher priority comes to a classic queue', async (t) => {
  const list = listOf({ singleActive: true, quorum: false }, { tag: 'a' }, { tag: 'b', priority: 1 })
  t.equal(list.deliver(2), 'a a')
})

t.test('a single active consumer of a quorum queue gives way once it has settled what it has', async (t) => {
  const list = listOf({ singleActive: true, quorum: true }, { tag: 'a' })
  t.equal(list.deliver(1), 'a')
  list.join({ tag: 'b', priority: 1 })
  t.equal(list.deliver(1), '-')
  list.settle('a')
  t.equal(list.deliver(2), 'b b')
  list.leave('b')
  t.equal(list.deliver(1), 'a')
})

t.test('who has to give way gets nothing more until it has settled all, even if its successor has gone', async (t) => {
  const list = listOf({ singleActive: true, quorum: true }, { tag: 'a' })
  t.equal(list.deliver(2), 'a a')
  list.join({ tag: 'b', priority: 1 })
  list.leave('b')
  t.equal(list.deliver(1), '-')
  list.settle('a')
  t.equal(list.deliver(1), '-')
  list.settle('a')
  t.equal(list.deliver(1), 'a')
})

t.test(
  'the next single active consumer has the highest priority, then the largest prefetch, then came first',
  async (t) => {
    const waiting = [
      { tag: 'small', prefetch: 1, priority: 1 },
      { tag: 'large', prefetch: 2, priority: 1 },
      { tag: 'later', prefetch: 2, priority: 1 },
      { tag: 'low' },
      { tag: 'high', prefetch: 1, priority: 2 },
    ]
    const list = listOf({ singleActive: true, quorum: true }, { tag: 'first', priority: 3 }, ...waiting)
    const order: string[] = []
    for (let next = list.deliver(1); next !== '-'; next = list.deliver(1)) {
      order.push(next)
      list.leave(next)
    }
    t.same(order, ['first', 'high', 'large', 'later', 'small', 'low'])
  },
)
