// The peers that send and receive messages, each as a pair of processes: one sends, one receives.
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { compiledProject } from '../helpers/compiled-project.ts'
import type { Teardown } from '../helpers/tmp.ts'
import { type Peer, startPeer } from './peers/process.ts'
import type { Services } from './services.ts'

/**
 * Messages that a receiver has at a time without an acknowledgement: as it is advised (RabbitMQ, "Consumer Prefetch": 100
 * to 300), on every side. Warren raises it by itself where handlers are quick; the tuned side has what Warren has then.
 */
export const PREFETCH = 250
export const MOST_PREFETCH = 500

/** A broker, or Redis. */
export type Server = { readonly url: string; readonly pid: number }

export interface Pair {
  readonly name: string
  readonly sender: Peer
  readonly receiver: Peer
  /** The process of the broker, or of Redis. */
  readonly broker: number
  /** What both send to and receive from. */
  readonly queue: string
}

export const WARREN = 'Warren'
export const BY_HAND = 'amqplib by hand'
export const TUNED = 'amqplib tuned'
/** The same with all that Warren's messages carry: ids of the message and its request, the time, the attempt. */
export const TUNED_SAME = 'amqplib tuned, ids'
export const RABBITMQ_CLIENT = 'rabbitmq-client'
export const BULLMQ = 'BullMQ'

const ENTRY = fileURLToPath(new URL('../../supervisor/worker.js', import.meta.url))

const FILES = {
  [BY_HAND]: 'amqplib-by-hand',
  [TUNED]: 'amqplib-tuned',
  [TUNED_SAME]: 'amqplib-tuned',
  [RABBITMQ_CLIENT]: 'rabbitmq-client',
  [BULLMQ]: 'bullmq',
} as const

export type PeerName = keyof typeof FILES

export const PEERS = [WARREN, BY_HAND, TUNED, RABBITMQ_CLIENT, BULLMQ]
/** With the one that shows what the properties of Warren's messages cost. */
export const PEERS_AND_SAME = [WARREN, BY_HAND, TUNED, TUNED_SAME, RABBITMQ_CLIENT, BULLMQ]

/**
 * Warren and its peers on RabbitMQ and Redis.
 * @param names which of them
 * @param options.worker which of the files in peers/ is Warren's worker
 */
export async function openPairs(
  services: Services,
  t: Teardown,
  names: readonly string[] = PEERS,
  { worker = 'warren-worker' }: { worker?: string } = {},
): Promise<Pair[]> {
  const broker = await services.rabbitmq()
  const pairs: Pair[] = []
  for (const name of names) {
    if (name === WARREN) pairs.push(await openWarren(t, broker, { worker }))
    else if (name !== BULLMQ) pairs.push(await pair(t, name as PeerName, broker))
    else if (services.has('bullmq')) pairs.push(await pair(t, name, await services.redis()))
  }
  return pairs
}

async function pair(t: Teardown, name: PeerName, { url, pid }: Server): Promise<Pair> {
  const [sender, receiver] = [await startSide(t, name, url), await startSide(t, name, url)]
  const queue = uniqueName()
  await sender.call('declare', queue)
  return { name, broker: pid, sender, receiver, queue }
}

/** One process of a peer of Warren's, which sends or receives. */
export function startSide(t: Teardown, name: PeerName, url: string): Promise<Peer> {
  const prefetch = FILES[name] === FILES[TUNED] ? MOST_PREFETCH : PREFETCH
  const ids = name === TUNED_SAME ? ['ids'] : []
  return startPeer(t, FILES[name], { args: [url, String(prefetch), ...ids] })
}

/** Warren's pair on any broker. */
export async function openWarren(
  t: Teardown,
  { url, pid }: Server,
  { name = WARREN, worker = 'warren-worker' }: { name?: string; worker?: string } = {},
): Promise<Pair> {
  const queue = uniqueName()
  const sender = await startPeer(t, 'warren', { args: [url] })
  return { name, broker: pid, sender, receiver: await startWorker(t, { url, queue, file: workerFile(worker) }), queue }
}

/** What `startWorker` takes: the compiled one of that name in peers/. */
export function workerFile(name: string): string {
  return fileURLToPath(new URL(`./peers/${name}.js`, import.meta.url))
}

export interface WorkerOptions {
  url: string
  queue: string
  /** The compiled module whose default export is the worker. */
  file: string
  /** What the worker is called. Subscribers of one fanout need names of their own. @default 'measured' */
  name?: string
  env?: NodeJS.ProcessEnv
}

/** A worker's process, as pm2 starts it, of a project that has no other file. */
export async function startWorker(
  t: Teardown,
  { url, queue, file, name = 'measured', env = {} }: WorkerOptions,
): Promise<Peer> {
  const cwd = compiledProject(t, { [`workers/${name}.ts`]: `export { default } from '${file}'` })
  return startPeer(t, 'warren-worker', {
    file: ENTRY,
    args: [name],
    cwd,
    env: { AMQP_URL: url, LOG_LEVEL: 'info', BENCH_QUEUE: queue, BENCH_PREFETCH: String(PREFETCH), ...env },
    ready: 'ready',
  })
}

/** A name that no other address has. */
export function uniqueName(): string {
  return `bench-${randomUUID().slice(0, 8)}`
}
