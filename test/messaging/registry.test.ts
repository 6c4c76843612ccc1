import t from 'tap'
import type { Link } from '../../supervisor/messaging/link.ts'
import { createRegistry } from '../../supervisor/messaging/registry.ts'
import { type Entry, entryOfAddress, readPage, writePages } from '../../supervisor/messaging/registry-entries.ts'
import { testLog } from '../helpers/messaging.ts'

const entry = (name: string): Entry => entryOfAddress({ kind: 'queue', name }, new Date('2026-11-29T00:00:00.000Z'))

/** A broker whose registry has so many messages, and that may refuse what is appended. */
function fakeBroker({ messageCount = 1, refused = '' } = {}) {
  const appended: Entry[][] = []
  const broker = { messageCount, refused, appended, link }
  function link(): Link {
    const channel = {
      assertQueue: async () => ({ messageCount: broker.messageCount }),
      on() {},
      send(_: unknown, body: Buffer, onConfirm: (error: Error | null) => void) {
        appended.push(readPage(body).entries)
        onConfirm(broker.refused ? new Error(broker.refused) : null)
      },
    }
    const use = async <T>(run: (own: typeof channel) => Promise<T>) => run(channel)
    return { lost: new AbortController().signal, withChannel: use, withConfirmChannel: use } as unknown as Link
  }
  return broker
}

function aRegistry(random = 1) {
  const { log, lines } = testLog()
  let compactions = 0
  const compact = async () => void compactions++
  return { registry: createRegistry({ log, compact, random: () => random }), lines, compactions: () => compactions }
}

t.test('each thing is written once for each process, and again where the registry is empty', async (t) => {
  const broker = fakeBroker()
  const { registry } = aRegistry()
  registry.note(entry('a'))
  await registry.idle()
  t.same(broker.appended, [], 'it waits for a connection')
  registry.attach(broker.link())
  registry.note(entry('a'), entry('b'))
  await registry.idle()
  registry.attach(broker.link())
  await registry.idle()
  t.same(
    broker.appended.flat().map(({ name }) => name),
    ['a', 'b'],
  )
  broker.messageCount = 0
  registry.attach(broker.link())
  await registry.idle()
  t.same(
    broker.appended.flat().map(({ name }) => name),
    ['a', 'b', 'a', 'b'],
  )
})

t.test('what the broker does not take is written when it does; a missing permission is told once', async (t) => {
  const broker = fakeBroker({ refused: 'the broker is away' })
  const { registry, lines } = aRegistry()
  registry.attach(broker.link())
  registry.note(entry('a'))
  await registry.idle()
  broker.refused = `Channel closed by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - write access refused"`
  registry.resume()
  registry.resume()
  await registry.idle()
  t.equal(lines.items.filter(({ level }) => level === 'warn').length, 1)
  broker.refused = ''
  broker.appended.length = 0
  registry.resume()
  await registry.idle()
  registry.resume()
  await registry.idle()
  t.same(broker.appended.flat(), [entry('a')])
})

t.test(
  'of the processes that find many messages a few put them together, and all do where that is not enough',
  async (t) => {
    for (const [messageCount, random, expected] of [
      [1_000, 0, 0],
      [1_001, 0.05, 1],
      [1_001, 0.07, 0],
      [9_000, 1, 1],
    ] as const) {
      const { registry, compactions } = aRegistry(random)
      registry.attach(fakeBroker({ messageCount }).link())
      await registry.idle()
      t.equal(compactions(), expected, `${messageCount} messages`)
    }
  },
)

t.test('pages hold all entries, and stay below what a client sends in one piece', async (t) => {
  const entries = Array.from({ length: 1_000 }, (_, n) => entry(`queue-${n}-${'x'.repeat(n % 80)}`))
  const pages = writePages(entries)
  t.same(
    pages.flatMap(({ body }) => readPage(body).entries),
    entries,
  )
  t.ok(pages.every(({ body }) => body.length < 8_000))
  t.equal(new Set(pages.map(({ id }) => id)).size, pages.length)
  t.same(writePages([]), [])
})
