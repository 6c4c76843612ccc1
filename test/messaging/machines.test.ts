import { randomUUID } from 'node:crypto'
import type { ConfirmChannel } from 'amqplib'
import type { Test } from 'tap'
import { AutoscalerUnavailableError, BrokerUnavailableError } from '../../supervisor/base/errors.ts'
import type { WorkerView } from '../../supervisor/base/fleet.ts'
import type { Heartbeat } from '../../supervisor/base/machines.ts'
import { openFleet } from '../../supervisor/messaging/fleet.ts'
import { AUTOSCALERS, type Machines, openMachines } from '../../supervisor/messaging/machines.ts'
import { onEveryBroker } from '../contract/brokers.ts'
import { bench, testLog } from '../helpers/messaging.ts'
import { freePort } from '../helpers/ports.ts'
import { promised } from '../helpers/promised.ts'
import { startProxy, throughProxy } from '../helpers/proxy.ts'
import { until } from '../helpers/until.ts'

onEveryBroker('machines', 300_000, async (t, { place }) => {
  const broker = { url: await place(t) }
  // One after the other: all of a broker's autoscalers hear each other.
  await t.test('nobody is there', (t) => nobody(t, broker))
  let left = 0
  await t.test('they see each other', async (t) => {
    left = await meet(t, broker)
  })
  await t.test('a machine whose connection is cut', (t) => cutOff(t, broker, left))
  await t.test('a machine whose connection hangs', (t) => hang(t, broker))
  await t.test('garbage in the exchange', (t) => garbage(t, broker))
  await t.test('what runs on all of them', (t) => merge(t, broker))
  await t.test('the depth of queues', (t) => depths(t, broker))
})

const WORKERS: Heartbeat['workers'] = new Map([['thumbnail', { instances: 2, inProgress: 7 }]])

interface TestMachine extends Machines {
  /** The ids of the others; undefined while not known. */
  ids(): string[] | undefined
  /** Every answer to that so far, without those that follow their like. */
  readonly answers: string[]
  leave(): Promise<void>
}

function machine(t: Test, url: string, id: string, view: () => WorkerView[] = () => []): TestMachine {
  const machines = openMachines({
    urls: [url],
    name: id,
    log: testLog().log,
    heartbeat: () => ({ id, host: id, workers: WORKERS }),
    view: async () => {
      const { others } = machines
      return { id, host: id, ceiling: 4, machines: others ? [id, ...others.map((o) => o.id)] : null, workers: view() }
    },
  })
  const answers: string[] = []
  function ids(): string[] | undefined {
    const found = machines.others?.map((other) => other.id).sort()
    const answer = found?.join() ?? 'unknown'
    if (answer !== answers.at(-1)) answers.push(answer)
    return found
  }
  const looking = setInterval(ids, 20)
  let left: Promise<void> | undefined
  function leave(): Promise<void> {
    clearInterval(looking)
    left ??= machines.close()
    return left
  }
  t.teardown(leave)
  return Object.assign(Object.create(machines) as Machines, { ids, answers, leave })
}

/** Waits until a machine sees these, and nobody else. @returns milliseconds */
async function sees(one: TestMachine, expected: string[] | undefined, timeout = 60_000): Promise<number> {
  const began = performance.now()
  const what = `a machine to see ${expected ?? 'that it knows nothing'}`
  await until(() => one.ids()?.join() === expected?.join(), { what, timeout })
  return performance.now() - began
}

async function nobody(t: Test, broker: { url: string }): Promise<void> {
  const fleet = openFleet({ urls: [broker.url], name: 'test' })
  const began = performance.now()
  await t.rejects(fleet.workers(), AutoscalerUnavailableError, 'no exchange')
  const alone = machine(t, broker.url, 'a')
  await sees(alone, [])
  await alone.leave()
  await t.rejects(fleet.workers(), AutoscalerUnavailableError, 'an exchange without a queue')
  promised(t, performance.now() - began, 4_000, 'nobody is waited for')
  const blind = machine(t, broker.url, 'b', () => {
    throw new Error('pm2 is gone')
  })
  await sees(blind, [])
  await t.rejects(fleet.workers(), AutoscalerUnavailableError, 'one that can not tell')
  t.equal(blind.state.status, 'ready', 'goes on all the same')
  await blind.leave()
  const gone = `amqp://127.0.0.1:${await freePort()}`
  await t.rejects(openFleet({ urls: [gone], name: 'test' }).workers(), BrokerUnavailableError, 'no broker')
}

/** @returns milliseconds until the one that has taken leave was missed */
async function meet(t: Test, { url }: { url: string }): Promise<number> {
  const a = machine(t, url, 'a')
  t.equal(a.ids(), undefined, 'at first it does not know who is there')
  await sees(a, [])
  const b = machine(t, url, 'b')
  await until(() => b.state.status === 'ready', { what: 'a connection' })
  promised(t, await sees(a, ['b']), 500, 'a newcomer says hello')
  await sees(b, ['a'])
  t.same(b.answers, ['unknown', 'a'], 'and never takes itself for the only one')
  t.same(b.others, [{ id: 'a', host: 'a', workers: WORKERS }])

  const leaving = b.leave()
  const took = await sees(a, [])
  promised(t, took, 1_000, 'whoever closes takes leave')
  await leaving
  return took
}

/** @param left what `meet` has returned */
async function cutOff(t: Test, { url }: { url: string }, left: number): Promise<void> {
  const proxy = await startProxy(t, Number(new URL(url).port))
  const a = machine(t, url, 'a')
  const b = machine(t, throughProxy(url, proxy), 'b')
  await Promise.all([sees(a, ['b']), sees(b, ['a'])])

  proxy.refuse()
  proxy.cut()
  await sees(b, undefined)
  t.same(a.ids(), ['b'], 'it knows nothing before the other counts it as gone')
  const gone = await sees(a, [])
  t.ok(gone > 3_000, `the other counts it as gone after ${Math.round(gone)} ms`)
  t.ok(left < gone, `later than one that has taken leave: ${Math.round(left)} ms`)
  promised(t, gone, 10_000, 'the other counts it as gone')

  proxy.accept()
  await Promise.all([sees(a, ['b']), sees(b, ['a'])])
  t.same(b.answers, ['unknown', 'a', 'unknown', 'a'], 'cut off, it takes nobody for gone, nor right afterwards')
}

async function hang(t: Test, { url }: { url: string }): Promise<void> {
  const proxy = await startProxy(t, Number(new URL(url).port))
  const a = machine(t, url, 'a')
  const b = machine(t, throughProxy(url, proxy), 'b')
  await Promise.all([sees(a, ['b']), sees(b, ['a'])])

  proxy.freeze()
  await sees(a, [])
  t.equal(b.state.status, 'ready', 'it does not know yet that its connection is of no use')
  t.equal(b.ids(), undefined, 'but that it hears nothing')
  proxy.thaw()
  await Promise.all([sees(a, ['b']), sees(b, ['a'])])
  t.same(b.answers, ['unknown', 'a', 'unknown', 'a'], 'at no time did it take itself for the only one')
}

async function garbage(t: Test, broker: { url: string }): Promise<void> {
  const a = machine(t, broker.url, 'a')
  await sees(a, [])
  const channel = await bench(t, broker.url).channel()
  const good = { id: 'x', host: 'x', workers: Object.fromEntries(WORKERS) }
  const send = (body: unknown, properties = {}) =>
    channel.publish(AUTOSCALERS, '', Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), properties)
  const heartbeat = { type: 'heartbeat' }
  send(good, { type: 'bye' })
  send('')
  for (const body of ['', '{', 'null', '7', '"a"', '[]']) send(body, heartbeat)
  send({ ...good, id: 7 }, heartbeat)
  send({ ...good, host: null }, heartbeat)
  for (const workers of [null, 7, 'thumbnail', [null], { thumbnail: null }, { thumbnail: 'a' }]) {
    send({ ...good, workers }, heartbeat)
  }
  for (const load of [{ instances: '2', inProgress: 0 }, { instances: -1, inProgress: 0 }, { instances: 1 }]) {
    send({ ...good, workers: { thumbnail: load } }, heartbeat)
  }
  send(good, { type: 'greeting' })
  send(good)
  for (const replyTo of ['nowhere', '', 'amq.rabbitmq.reply-to.forged', 'x'.repeat(255)]) {
    send('', { type: 'ask', replyTo })
  }
  send('', { type: 'ask' })
  send({ ...good, id: 'b' }, heartbeat)
  await sees(a, ['b'])
  t.equal(a.state.status, 'ready')
  t.same(a.answers, ['unknown', '', 'b'], 'nothing but the one good message has counted')
  t.same(a.others, [{ ...good, id: 'b', workers: WORKERS }])
  // What answers a question with garbage does not keep the others' answers away.
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, AUTOSCALERS, '')
  await channel.consume(queue, (message) => {
    if (message?.properties.replyTo) channel.publish('', message.properties.replyTo, Buffer.from('garbage'))
  })
  t.same(await openFleet({ urls: [broker.url], name: 'test' }).workers(), [])
}

async function merge(t: Test, broker: { url: string }): Promise<void> {
  const a = machine(t, broker.url, 'a', () => [worker('a', { desired: 3, inProgress: 1 })])
  const b = machine(t, broker.url, 'b', () => [
    worker('b', { depth: 5, dead: 7, inProgress: 2 }),
    worker('b', { name: 'mail' }),
  ])
  await Promise.all([sees(a, ['b']), sees(b, ['a'])])
  const gone = `amqp://127.0.0.1:${await freePort()}`
  const began = performance.now()
  const shown = await openFleet({ urls: [gone, broker.url], name: 'test' }).workers()
  promised(t, performance.now() - began, 1_500, 'as soon as both have answered, by the node that is there')
  t.match(shown, [
    { name: 'mail', instances: [{ host: 'b' }] },
    {
      name: 'thumbnail',
      desired: 3,
      depth: 5,
      dead: 7,
      suspects: null,
      inProgress: 3,
      instances: [{ host: 'a' }, { host: 'b' }],
    },
  ])
  t.equal(shown.length, 2)
}

function worker(host: string, view: Partial<WorkerView> = {}): WorkerView {
  const status = { status: 'ready', memory: 0, cpu: 0, inProgress: 0 }
  return {
    name: 'thumbnail',
    instances: [{ host, id: 1, pid: 1, ...status }],
    queue: 'thumbnail',
    depth: null,
    inProgress: null,
    dead: null,
    suspects: null,
    desired: null,
    pinned: {},
    decisions: [],
    ...view,
  } as unknown as WorkerView
}

async function depths(t: Test, { url }: { url: string }): Promise<void> {
  const a = machine(t, url, 'a')
  t.equal(await a.depth('any'), undefined, 'not known without a connection')
  await until(() => a.state.status === 'ready', { what: 'a connection' })
  const channel = (await bench(t, url).channel()) as ConfirmChannel
  const names = [randomUUID(), randomUUID()] as const
  const [first, second] = names
  for (const name of names) {
    await channel.assertQueue(name, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  }
  t.same(await a.depth(first), { messages: 0, consumers: 0 })

  for (let n = 1; n <= 200; n++) {
    channel.sendToQueue(first, Buffer.from('1'))
    await channel.waitForConfirms()
    const found = await a.depth(first)
    if (found?.messages !== n) t.fail(`expected ${n} at once after the confirm, found ${found?.messages}`)
  }
  const found = await Promise.all([a.depth(first), a.depth(randomUUID()), a.depth(second)])
  t.same(found, [{ messages: 200, consumers: 0 }, undefined, { messages: 0, consumers: 0 }], 'one of them missing')

  await channel.prefetch(7)
  await channel.consume(first, () => {})
  await until(async () => (await a.depth(first))?.messages === 193, { what: 'the delivered ones to count no more' })
  t.same(await a.depth(first), { messages: 193, consumers: 1 })
  await channel.deleteQueue(second)
  t.equal(await a.depth(second), undefined, 'deleted')
  await channel.assertQueue(second, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  t.same(await a.depth(second), { messages: 0, consumers: 0 }, 'and there again')
  const [one, two] = await Promise.all([a.depth(first), a.depth(first)])
  t.same([one?.messages, two?.messages], [193, 193], 'one answer for all who ask meanwhile')
  t.equal(a.state.status, 'ready', 'over one connection all along')
}
