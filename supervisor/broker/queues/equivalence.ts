import type { FieldValue, Table } from '../../amqp/fields.ts'
import { type AmqpError, precondition, VHOST } from '../errors.ts'
import { isSame, shown, typeName } from '../routing/values.ts'

/** The arguments that must be the same when something is declared again, in the order in which RabbitMQ looks at them. */
const COMPARED = {
  classic: [
    'x-expires',
    'x-message-ttl',
    'x-dead-letter-exchange',
    'x-dead-letter-routing-key',
    'x-max-length',
    'x-max-length-bytes',
    'x-max-priority',
    'x-overflow',
    'x-queue-mode',
    'x-queue-version',
    'x-single-active-consumer',
    'x-queue-type',
    'x-queue-master-locator',
    'x-queue-leader-locator',
  ],
  quorum: [
    'x-dead-letter-exchange',
    'x-dead-letter-routing-key',
    'x-dead-letter-strategy',
    'x-expires',
    'x-max-length',
    'x-max-length-bytes',
    'x-max-in-memory-length',
    'x-max-in-memory-bytes',
    'x-overflow',
    'x-single-active-consumer',
    'x-queue-type',
    'x-quorum-initial-group-size',
    'x-delivery-limit',
    'x-message-ttl',
    'x-queue-leader-locator',
    'x-consumer-disconnected-timeout',
    'x-consumer-timeout',
    'x-delayed-retry-type',
    'x-delayed-retry-min',
    'x-delayed-retry-max',
  ],
  exchange: ['alternate-exchange'],
}

/** A declaration: flags under the names that RabbitMQ's texts use, and arguments. */
export interface Declaration {
  readonly flags: Readonly<Record<string, string | boolean>>
  readonly args: Table
}

/**
 * Compares a second declaration with what is there.
 * @param kind of what is there: a type of queue, or an exchange
 * @throws AmqpError 406 for the first difference
 */
export function checkEquivalence(
  kind: keyof typeof COMPARED,
  name: string,
  current: Declaration,
  received: Declaration,
): void {
  const what = kind === 'exchange' ? 'exchange' : 'queue'
  for (const [flag, value] of Object.entries(received.flags)) {
    const now = current.flags[flag]
    if (value !== now) throw inequivalent(flag, `'${value}'`, `'${now}'`)
  }
  for (const argument of COMPARED[kind]) {
    const [value, now] = [received.args[argument], current.args[argument]]
    if (isSame(value, now)) continue
    if (value === undefined || now === undefined) throw inequivalent(argument, described(value), described(now))
    throw inequivalent(argument, `'${shown(value)}'`, `'${shown(now)}'`)
  }

  function inequivalent(argument: string, value: string, now: string): AmqpError {
    return precondition(
      `inequivalent arg '${argument}' for ${what} '${name}' in vhost '${VHOST}': received ${value} but current is ${now}`,
    )
  }
}

function described(value: FieldValue | undefined): string {
  return value === undefined ? 'none' : `the value '${shown(value)}' of type '${typeName(value)}'`
}
