// Warren's public face: all that workers/ and routes/ import, by the name 'warren'.
import type { Broker, BrokerOptions } from './broker/start.ts'

export type { BackoffOptions } from './base/backoff.ts'
export type { Bus, CallOptions, PublishOptions, SendOptions, Sent } from './base/bus.ts'
export {
  type Context,
  defineFanout,
  defineQueue,
  defineWorker,
  type FanoutDefinition,
  type QueueDefinition,
  type SubscriberOptions,
  type WorkerDefinition,
  type WorkerOptions,
} from './base/definitions.ts'
export { type Duration, parseDuration } from './base/durations.ts'
export * from './base/errors.ts'
export type { FrontDoor } from './base/front-door.ts'
export type { Logger } from './base/log.ts'
export { type ProblemError, type ProblemOptions, problem } from './http/problem.ts'
export { body, param, query } from './http/validate.ts'
export type { Broker, BrokerOptions }

/**
 * Starts the embedded broker in this process, for tests: AMQP 0-9-1 on the loopback interface, on a free port and in a
 * temporary folder unless the options say otherwise. Any AMQP client can use its `url`; `close` ends it.
 * @throws StartupError if the port is taken, or the folder is in use by another process or damaged
 */
export async function startBroker(options?: BrokerOptions): Promise<Broker> {
  // Workers and routes import this file as well, and have no use for a broker and its store in their processes.
  const broker = await import('./broker/start.ts')
  return broker.startBroker(options)
}
