// Warren's public face: all that workers/ and routes/ import, by the name 'warren'.
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
