import { fileURLToPath } from 'node:url'
import { run } from './process.ts'

const FIXTURE = fileURLToPath(new URL('../fixtures/broker/run.js', import.meta.url))

/** The embedded broker in a process of its own. */
export interface BrokerProcess {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>
  /** SIGTERM, on which it writes everything and ends. */
  stop(): Promise<void>
}

export interface BrokerProcessOptions {
  folder: string
  /** @default a free one */
  port?: number
  /** Arguments for node itself. */
  execArgv?: readonly string[]
}

/** Starts it and waits until it takes connections. It ends with this process. The caller ends it. */
export async function startBrokerProcess(options: BrokerProcessOptions): Promise<BrokerProcess> {
  const { folder, port = 0, execArgv = [] } = options
  const broker = run(process.execPath, [...execArgv, FIXTURE, folder, String(port)], { stdio: 'pipe' })
  const [url] = await broker.outputs(/amqp:\S+/)
  return {
    url,
    port: Number(new URL(url).port),
    pid: broker.pid,
    kill: async () => void (await broker.end('SIGKILL')),
    stop: async () => void (await broker.end('SIGTERM')),
  }
}

/** Starts it and kills it so many milliseconds later, wherever it is by then. */
export async function startAndKill({ folder, port = 0 }: BrokerProcessOptions, after: number): Promise<void> {
  const broker = run(process.execPath, [FIXTURE, folder, String(port)], { stdio: 'pipe' })
  const timer = setTimeout(() => broker.child.kill('SIGKILL'), after)
  await broker.exited
  clearTimeout(timer)
}
