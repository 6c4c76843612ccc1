import type { z } from 'zod'
import { ValidationError } from './errors.ts'

/**
 * Parses data by its schema.
 * @param what names the data in the error: `The data for queue 'thumbnail'`
 * @throws ValidationError with the path of every miss
 */
export async function validate<S extends z.ZodType>(
  schema: S,
  data: unknown,
  what: string,
  Failure: typeof ValidationError = ValidationError,
): Promise<z.output<S>> {
  const parsed = await schema.safeParseAsync(data)
  if (parsed.success) return parsed.data
  throw new Failure(
    what,
    parsed.error.issues.map((issue) => ({ path: issue.path.map(String).join('.'), message: issue.message })),
  )
}
