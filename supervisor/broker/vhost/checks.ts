import { type Table, textOf } from '../../amqp/fields.ts'
import { AmqpError, precondition, refused, VHOST } from '../errors.ts'
import type { QueueFlags } from '../queues/arguments.ts'
import { checkEquivalence } from '../queues/equivalence.ts'
import type { Owner, Queue } from '../queues/queue.ts'
import type { Exchange, ExchangeFlags } from '../routing/exchanges.ts'
import { headersBindingProblem } from '../routing/headers.ts'
import { type Binding, type ExchangeType, isExchangeType } from '../routing/matcher.ts'
import { typeName } from '../routing/values.ts'

export function checkOwner(queue: Queue, owner: Owner, exclusive = queue.flags.exclusive): void {
  const isOwn = queue.owner === undefined || queue.owner === owner
  if (isOwn && exclusive === queue.flags.exclusive) return
  throw new AmqpError(
    405,
    `cannot obtain exclusive access to locked queue '${queue.name}' in vhost '${VHOST}'. It could be originally ` +
      'declared on another connection or the exclusive property value does not match that of the original declaration.',
  )
}

export function defaultExchange(): AmqpError {
  return refused('operation not permitted on the default exchange')
}

export function refuseDefault({ source, destination }: Binding): void {
  if (source === '' || (destination.kind === 'exchange' && destination.name === '')) throw defaultExchange()
}

export function reserved(kind: 'queue' | 'exchange', name: string): AmqpError {
  return refused(`${kind} name '${name}' contains reserved prefix 'amq.*'`)
}

/** @throws AmqpError 406 unless a second declaration is the same */
export function checkSameQueue(existing: Queue, { flags, args }: { flags: QueueFlags; args: Table }): void {
  const compared = (of: QueueFlags) => ({ durable: of.durable, auto_delete: of.autoDelete })
  // Without one a queue is classic, which is the same as to ask for that. What else is asked is compared, not checked.
  const typed = (table: Table, type: Table[string]) => ({ ...table, 'x-queue-type': type })
  const { name, options } = existing
  const current = compared(existing.flags)
  checkEquivalence(options.type, name, { flags: current, args: {} }, { flags: compared(flags), args: {} })
  const asked = { flags: {}, args: typed(args, args['x-queue-type'] ?? 'classic') }
  checkEquivalence(options.type, name, { flags: {}, args: typed(existing.args, options.type) }, asked)
}

/** @throws AmqpError 406 unless a second declaration is the same */
export function checkSameExchange(existing: Exchange, asked: { flags: ExchangeFlags; args: Table }): void {
  const compared = (of: ExchangeFlags) => {
    return { type: of.type, durable: of.durable, auto_delete: of.autoDelete, internal: of.internal }
  }
  const current = { flags: compared(existing.flags), args: existing.args }
  checkEquivalence('exchange', existing.name, current, { flags: compared(asked.flags), args: asked.args })
}

export function checkedType(type: string): ExchangeType {
  if (!isExchangeType(type)) throw precondition(`unknown exchange type '${type}'`)
  return type
}

export function checkRoom(name: string, queues: number, most = Number.POSITIVE_INFINITY): void {
  if (queues < most) return
  throw precondition(`cannot declare queue '${name}': queue limit in vhost '${VHOST}' (${most}) is reached`)
}

export function checkAlternate(name: string, args: Table): void {
  const alternate = args['alternate-exchange']
  if (alternate === undefined || textOf(alternate) !== undefined) return
  const found = typeName(alternate)
  throw precondition(`invalid type '${found}' for arg 'alternate-exchange' in exchange '${name}' in vhost '${VHOST}'`)
}

/** @param queue that it leads to, if it does not lead to an exchange */
export function checkBinding({ flags }: Exchange, binding: Binding, queue: Queue | undefined): void {
  const problem =
    flags.type === 'headers'
      ? headersBindingProblem(binding.arguments)
      : flags.type === 'x-local-random'
        ? randomBindingProblem(binding, queue)
        : undefined
  if (problem) throw precondition(problem)
}

function randomBindingProblem({ routingKey }: Binding, queue: Queue | undefined): string | undefined {
  if (routingKey !== '') return `Non empty binding '${routingKey}' key not permitted`
  if (!queue) return 'Destination not found'
  const { type } = queue.options
  return type === 'classic' ? undefined : `Queue type rabbit_${type}_queue not valid for this exchange type`
}

export function checkDeletion(queue: Queue, ifUnused: boolean, ifEmpty: boolean): void {
  const condition = ifUnused ? 'if-unused' : ifEmpty ? 'if-empty' : undefined
  const { name, options } = queue
  if (condition && options.type === 'quorum') {
    throw new AmqpError(
      540,
      `cannot delete queue '${name}' in vhost '${VHOST}'. queue.delete operations with ${condition} flag set are ` +
        'not supported by quorum queues',
    )
  }
  if (ifUnused && queue.consumerCount > 0) throw precondition(`queue '${name}' in vhost '${VHOST}' in use`)
  if (ifEmpty && queue.messageCount > 0) throw precondition(`queue '${name}' in vhost '${VHOST}' not empty`)
}
