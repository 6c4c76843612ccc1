// The steps of an attempt, from the message's bytes to the handler's result. Each answers at once where it can: a promise
// for each step would cost more than the step.
import type { Context, WorkerDefinition } from '../base/definitions.ts'
import { InvalidMessageError, ValidationError } from '../base/errors.ts'
import { encodeJson } from '../base/json.ts'
import { validate } from '../base/validate.ts'
import { type Content, decode } from './decode.ts'

/**
 * Decodes, validates and handles.
 * @returns what the handler has returned, or a promise of it
 * @throws InvalidMessageError for what no other attempt mends; whatever the handler throws
 */
export function handle(definition: WorkerDefinition, content: Content, context: Context): unknown {
  const { kind, name } = definition.address
  const what = `The message for ${kind} '${name}'`
  const { unreadable } = content
  if (unreadable.length > 0) {
    const issues = unreadable.map((path) => ({
      path,
      message: 'expected a value that AMQP 0-9-1 has, nested up to 64 deep',
    }))
    throw new InvalidMessageError(what, issues)
  }
  const decoded = decode(content, what)
  if (!(decoded instanceof Promise)) return handleDecoded(definition, decoded, what, context)
  return decoded.then(function handleInflated(value) {
    context.signal.throwIfAborted()
    return handleDecoded(definition, value, what, context)
  })
}

function handleDecoded(definition: WorkerDefinition, decoded: unknown, what: string, context: Context): unknown {
  const data = validate(definition.address.data, decoded, what, InvalidMessageError)
  if (!(data instanceof Promise)) return definition.handler(data as never, context)
  return data.then(function handleParsed(parsed) {
    context.signal.throwIfAborted()
    return definition.handler(parsed as never, context)
  })
}

/**
 * Checks what the handler has returned.
 * @returns it as JSON where the queue has a schema for it, or a promise of that; otherwise nothing leaves the handler
 * @throws TypeError for a result that is not what the schema says: an error of the handler's, like any that it throws
 */
export function resultOf(
  { address }: WorkerDefinition,
  returned: unknown,
): string | undefined | Promise<string | undefined> {
  if (address.kind !== 'queue' || !address.result) return undefined
  // As the handler gave it: the schema's transforms run once, at the caller.
  // Nothing returned is nothing to send: its caller gets null.
  const asJson = () => (returned === undefined ? undefined : encodeJson(returned, 'result'))
  try {
    const checked = validate(address.result, returned, 'result')
    return checked instanceof Promise ? checked.then(asJson).catch(refuse) : asJson()
  } catch (error) {
    return refuse(error)
  }

  // The message is not to blame.
  function refuse(error: unknown): never {
    if (!(error instanceof ValidationError)) throw error
    throw new TypeError(`The handler of queue '${address.name}' returned a wrong ${error.message}`)
  }
}
