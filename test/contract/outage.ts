import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { BrokerUnavailableError, ConfirmLostError, UnavailableError } from '../../supervisor/base/errors.ts'
import { aQueue, bench, clientReady, numberOf } from '../helpers/messaging.ts'
import { promised } from '../helpers/promised.ts'
import { startProxy, throughProxy } from '../helpers/proxy.ts'
import type { Broker } from '../helpers/rabbitmq.ts'
import { until } from '../helpers/until.ts'
import { strict } from './frames.ts'

/**
 * What Warren's messaging promises while the broker, or the way to it, is away.
 * @param broker the suite's own: it is stopped and killed
 */
export async function outage(t: Test, broker: Broker): Promise<void> {
  const port = Number(new URL(broker.url).port)

  // One queue for both, and the gentle end first: RabbitMQ 3.10.8 that is killed within seconds of a quorum queue's
  // declaration forgets half of it, and never confirms a message for it again.
  const queue = aQueue()
  for (const end of ['stop', 'kill'] as const) {
    t.test(`${end}: what was confirmed is handled, the rest is told, and all comes back by itself`, async (t) => {
      const { client, consumer } = bench(t, broker.url)
      const worker = await consumer({ address: queue, onMessage: (m) => m.ack() })
      const sender = await client()
      const { send } = sender.bus()
      const confirmed: number[] = []
      const errors: unknown[] = []
      let n = 0
      const traffic = setInterval(() => {
        const mine = n++
        send(queue, { n: mine }).then(
          () => confirmed.push(mine),
          (error) => errors.push(error),
        )
      }, 1)
      t.teardown(() => clearInterval(traffic))

      await worker.received.reach(100)
      await broker[end]()
      await until(() => errors.length > 0, { what: 'a send to be refused' })
      t.equal(sender.state.status, 'waiting')
      const asked = performance.now()
      await t.rejects(send(queue, { n: -1 }), BrokerUnavailableError)
      promised(t, performance.now() - asked, 1_000, 'a send was refused')

      await broker.start()
      await clientReady(sender)
      const before = confirmed.length
      await until(() => confirmed.length > before + 100, { what: 'sends to be confirmed again' })
      clearInterval(traffic)
      await until(() => confirmed.length + errors.length === n, { what: 'every send to be settled' })
      const unhandled = () => {
        const handled = new Set(worker.received.items.map(numberOf))
        return confirmed.filter((number) => !handled.has(number))
      }
      await until(() => unhandled().length === 0, { what: 'every confirmed message to be handled' })
      t.ok(
        errors.every((error) => error instanceof UnavailableError),
        'every failure has its name',
      )
    })
  }

  t.test('a cut socket: sends in flight reject by name, consumers come back', async (t) => {
    const proxy = await startProxy(t, port)
    const url = throughProxy(broker.url, proxy)
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    const worker = await consumer({ address: queue, onMessage: (m) => m.ack() })
    const sender = await client()
    const { send } = sender.bus()
    await send(queue, { n: 0 })

    proxy.freeze()
    const inFlight = Array.from({ length: 10 }, (_, n) => send(queue, { n: n + 1 }))
    const call = sender.bus().call(queue, { n: 50 })
    proxy.cut()
    for (const result of await Promise.allSettled(inFlight)) {
      t.match(result, { status: 'rejected', reason: ConfirmLostError })
    }
    await t.rejects(call, UnavailableError)
    proxy.thaw()
    await clientReady(sender)
    await worker.ready()
    await send(queue, { n: 100 })
    await until(() => worker.received.items.some((m) => numberOf(m) === 100), { what: 'the message after the cut' })
  })

  t.test('cuts at any moment, setup included, end in a working session', async (t) => {
    const proxy = await startProxy(t, port)
    const url = throughProxy(broker.url, proxy)
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    const sender = await client({ wait: false })
    const worker = await consumer({ address: queue, wait: false, onMessage: (m) => m.ack() })
    for (let cut = 0; cut < 40; cut++) {
      await new Promise((resolve) => setTimeout(resolve, (cut * 7) % 90))
      proxy.cut()
    }
    await clientReady(sender)
    await worker.ready()
    await sender.bus().send(queue, { n: 1 })
    await worker.received.reach(1)
    t.pass('it works')
  })

  t.test('a broker that is not there yet only means waiting, told once', async (t) => {
    const proxy = await startProxy(t, port)
    proxy.refuse()
    const { client, lines } = bench(t, throughProxy(broker.url, proxy))
    const sender = await client({ wait: false })
    await until(() => lines.items.length > 0, { what: 'a line in the log' })
    await t.rejects(sender.bus().send(aQueue(), { n: 1 }), BrokerUnavailableError)
    // Long enough for several more attempts: their number shows in nothing but the proxy's count.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    t.strictSame(
      lines.items.map((line) => line.msg),
      ['waiting for the broker'],
    )
    proxy.accept()
    await clientReady(sender)
    t.strictSame(
      lines.items.map((line) => line.msg),
      ['waiting for the broker', 'connected to the broker'],
    )
    t.notMatch(JSON.stringify(lines.items), /guest:|password/)
  })

  t.test('a peer that accepts and says nothing is given up, and tried again', async (t) => {
    const proxy = await startProxy(t, port)
    proxy.freeze()
    const { client } = bench(t, throughProxy(broker.url, proxy))
    const sender = await client({ wait: false })
    await until(() => sender.state.reason?.includes('ETIMEDOUT'), {
      what: 'the attempt to be given up',
    })
    proxy.thaw()
    proxy.cut()
    await clientReady(sender)
    t.ok(await sender.bus().send(aQueue(), { n: 1 }))
  })

  t.test(
    'a network that swallows everything: what was sent is rejected within 5 s, and the session waits',
    async (t) => {
      const proxy = await startProxy(t, port)
      const { client } = bench(t, throughProxy(broker.url, proxy))
      const sender = await client()
      const { send } = sender.bus()
      await send(queue, { n: 1 })
      proxy.freeze()
      const asked = performance.now()
      await t.rejects(send(queue, { n: 2 }), ConfirmLostError)
      promised(t, performance.now() - asked, 5_000, 'a send was rejected')
      t.equal(sender.state.status, 'waiting')
      proxy.thaw()
      await clientReady(sender)
      t.ok(await send(queue, { n: 3 }))
    },
  )

  t.test('a broker that reads nothing for a while, and answers others, is not taken for dead', async (t) => {
    const { proxy, url } = await strict(t, broker.url)
    const { client, lines } = bench(t, url)
    const { send } = (await client()).bus()
    await send(queue, { n: 1 })
    const connections = () => lines.items.filter(({ msg }) => msg === 'connected to the broker').length
    const before = connections()
    proxy.hold()
    const sent = send(queue, { n: 2 })
    // As long as it takes to find a broker dead, and longer.
    await delay(4_500)
    proxy.release()
    t.ok(await sent)
    t.equal(connections(), before)
  })

  t.test('a hundred senders are refused at once when the broker is killed', async (t) => {
    const { client } = bench(t, broker.url)
    const { send } = (await client()).bus()
    await send(queue, { n: 1 })
    let isOver = false
    const took: number[] = []
    async function sendOn(): Promise<void> {
      while (!isOver) {
        const asked = performance.now()
        await send(queue, { n: 1 }).catch(() => took.push(performance.now() - asked))
        await delay(5)
      }
    }
    const senders = Array.from({ length: 100 }, sendOn)
    await broker.kill()
    await until(() => took.length >= 2_000, { what: 'sends to be refused' })
    isOver = true
    await Promise.all(senders)
    took.sort((a, b) => a - b)
    promised(t, took[Math.floor(took.length * 0.99)] as number, 1_000, 'p99 of refusals')
    await broker.start()
  })

  t.test('a peer that falls silent is noticed by its heartbeats', async (t) => {
    const proxy = await startProxy(t, port)
    const { client, consumer } = bench(t, `${throughProxy(broker.url, proxy)}?heartbeat=1`)
    const queue = aQueue()
    const worker = await consumer({ address: queue, onMessage: (m) => m.ack() })
    const sender = await client()
    proxy.freeze()
    const lost = sender.bus().send(queue, { n: 1 })
    await t.rejects(lost, UnavailableError)
    proxy.thaw()
    proxy.cut()
    await clientReady(sender)
    await worker.ready()
    await sender.bus().send(queue, { n: 2 })
    await until(() => worker.received.items.some((m) => numberOf(m) === 2), { what: 'the message after the silence' })
  })

  t.test('a refused login is told and tried again', async (t) => {
    const url = new URL(broker.url)
    url.password = 'wrong'
    const { client, lines } = bench(t, url.href)
    const sender = await client({ wait: false })
    await until(() => sender.state.code === 'ACCESS_REFUSED', { what: 'the refusal' })
    await t.rejects(sender.bus().send(aQueue(), { n: 1 }), BrokerUnavailableError)
    t.notMatch(JSON.stringify(lines.items), /wrong/)
  })

  t.test('a list of nodes: the next one is tried when one is away', async (t) => {
    const proxy = await startProxy(t, port)
    const { client } = bench(t, broker.url)
    const sender = await client({ url: `${throughProxy(broker.url, proxy)},${broker.url}` })
    proxy.refuse()
    proxy.cut()
    await until(() => sender.state.status === 'waiting', { what: 'the loss' })
    await clientReady(sender)
    t.ok(await sender.bus().send(aQueue(), { n: 1 }))
  })
}
