import type { Context, WorkerDefinition } from '../base/definitions.ts'
import { InvalidMessageError, ValidationError } from '../base/errors.ts'
import { validate } from '../base/validate.ts'

/**
 * One attempt, from the message's bytes to the handler's result: decode, validate, handle, check the result.
 * @returns the result as JSON where the queue has a schema for one; otherwise nothing leaves the handler
 * @throws InvalidMessageError for what no other attempt mends; whatever the handler throws
 */
export async function perform(
  definition: WorkerDefinition,
  body: Uint8Array,
  context: Context,
): Promise<string | undefined> {
  const { kind, name, data: schema } = definition.address
  const what = `The message for ${kind} '${name}'`
  const data = await validate(schema, decode(body, what), what, InvalidMessageError)
  context.signal.throwIfAborted()
  const result = await definition.handler(data as never, context)
  if (definition.address.kind !== 'queue' || !definition.address.result) return undefined
  try {
    await validate(definition.address.result, result, 'result')
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error
    // The message is not to blame: this is an error of the handler's, like any that it throws.
    throw new TypeError(`The handler of ${kind} '${name}' returned a wrong ${error.message}`)
  }
  // As the handler gave it: the schema's transforms run once, at the caller.
  return JSON.stringify(result)
}

function decode(body: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString())
  } catch (error) {
    throw new InvalidMessageError(what, [{ path: '', message: `expected JSON: ${(error as Error).message}` }])
  }
}
