import t from 'tap'
import type { Message } from '../../../supervisor/broker/store/log.ts'
import { openStore, type Store, type StoreOptions } from '../../../supervisor/broker/store/store.ts'

/** A persistent message. */
export function message(body: string | Buffer, more: Partial<Message> = {}): Message {
  const properties = Buffer.from('properties')
  return { exchange: 'e', routingKey: 'k', properties, body: Buffer.from(body), persistent: true, priority: 0, ...more }
}

/** Opens a store that fails the test when it is blocked or broken, unless the options say otherwise. */
export function open(folder: string, options: Partial<StoreOptions> = {}): Promise<Store> {
  function fail(reason: unknown) {
    t.fail(String(reason))
  }
  return openStore({ folder, onBlocked: fail, onUnblocked() {}, onBroken: fail, ...options })
}

/** What is there, or an error. */
export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('There is nothing')
  return value
}
