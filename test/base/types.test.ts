// Type tests: a wrong inference fails the build, not the run. `@ts-expect-error` fails it where there is no error.
import t from 'tap'
import { type Bus, type Context, defineFanout, defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(..._: Equal<A, B> extends true ? [] : ['the types differ', A, B]): void {}

const fanout = defineFanout('f', {
  data: z.object({
    at: z.iso
      .datetime()
      .transform((text) => new Date(text))
      .pipe(z.date()),
  }),
})
const plain = defineQueue('plain', { data: z.object({ id: z.uuid(), width: z.int().default(320) }) })
const asked = defineQueue('asked', {
  data: z.object({ n: z.int() }),
  result: z.object({ sum: z.int(), note: z.string().default('') }),
})

function senders(bus: Bus) {
  void bus.send(plain, { id: 'a' })
  void bus.send(plain, { id: 'a', width: 1 }, { id: 'my-id' })
  // @ts-expect-error: no id
  void bus.send(plain, { width: 1 })
  // @ts-expect-error: one does not publish to a queue
  void bus.publish(plain, { id: 'a' })
  // @ts-expect-error: one does not send to a fanout
  void bus.send(fanout, { at: '' })
  // A sender gives what the schema takes, not what its transform makes of it.
  void bus.publish(fanout, { at: '2026-01-01T00:00:00Z' })
  // @ts-expect-error: a Date can't travel
  void bus.publish(fanout, { at: new Date() })
  // @ts-expect-error: a queue without a result can't be called
  void bus.call(plain, { id: 'a' })
  same<Awaited<ReturnType<typeof ask>>, { sum: number; note: string }>()
  function ask() {
    return bus.call(asked, { n: 1 }, { timeout: '1s' })
  }
}

t.test('types are inferred from the schema, to the handler, the sender and the result', async (t) => {
  defineWorker(plain, {
    handler: (data, context) => {
      same<typeof data, { id: string; width: number }>()
      same<typeof context, Context>()
    },
  })
  defineWorker(fanout, { subscription: 'instance', handler: ({ at }) => same<typeof at, Date>() })
  defineWorker(asked, { handler: ({ n }) => ({ sum: n }) })
  defineWorker(asked, { threads: 2, handler: async ({ n }) => ({ sum: n, note: 'x' }) })
  // @ts-expect-error: the result lacks its sum
  defineWorker(asked, { handler: () => ({ note: 'x' }) })
  t.throws(() => {
    // @ts-expect-error: an unknown option
    defineWorker(plain, { handler: () => {}, concurency: 5 })
  })
  t.throws(() => {
    // @ts-expect-error: a queue has no subscription
    defineWorker(plain, { handler: () => {}, subscription: 'group' })
  })
  t.type(senders, 'function')
})
