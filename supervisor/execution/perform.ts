// The steps of an attempt, from the message's bytes to the handler's result. Each answers at once where it can: a promise
// for each step would cost more than the step.
import type { Context, WorkerDefinition } from '../base/definitions.ts'
import { InvalidMessageError, ValidationError } from '../base/errors.ts'
import { validate } from '../base/validate.ts'

/**
 * Decodes, validates and handles.
 * @returns what the handler has returned, or a promise of it
 * @throws InvalidMessageError for what no other attempt mends; whatever the handler throws
 */
export function handle(definition: WorkerDefinition, body: Uint8Array, context: Context): unknown {
  const { kind, name, data: schema } = definition.address
  const what = `The message for ${kind} '${name}'`
  const data = validate(schema, decode(body, what), what, InvalidMessageError)
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
  const asJson = () => JSON.stringify(returned)
  try {
    const checked = validate(address.result, returned, 'result')
    return checked instanceof Promise ? checked.then(asJson, refuse) : asJson()
  } catch (error) {
    return refuse(error)
  }

  // The message is not to blame.
  function refuse(error: unknown): never {
    if (!(error instanceof ValidationError)) throw error
    throw new TypeError(`The handler of queue '${address.name}' returned a wrong ${error.message}`)
  }
}

function decode(body: Uint8Array, what: string): unknown {
  try {
    // Bytes that came through a thread's port are no Buffer any more.
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    return JSON.parse(bytes.toString())
  } catch (error) {
    throw new InvalidMessageError(what, [{ path: '', message: `expected JSON: ${(error as Error).message}` }])
  }
}
