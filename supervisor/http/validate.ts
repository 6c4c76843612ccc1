import type { MiddlewareHandler } from 'hono'
import type { z } from 'zod'
import { validate } from '../base/validate.ts'
import { JSON_LIMIT, tooLarge } from './body-limit.ts'
import { problem } from './problem.ts'

// Hono's typed client reads what to send from `in`, the handler what it gets from `out`. In a query and a path
// everything is sent as text, whatever the schema makes of it.
type Texts<T> = { [K in keyof T]: string | string[] }
type Body<S extends z.ZodType> = { in: { json: z.input<S> }; out: { json: z.output<S> } }
type Query<S extends z.ZodType> = { in: { query: Texts<z.input<S>> }; out: { query: z.output<S> } }
type Param<S extends z.ZodType> = {
  in: { param: { [K in keyof z.input<S>]: string } }
  out: { param: z.output<S> }
}

// biome-ignore lint/suspicious/noExplicitAny: a middleware for routes of every environment and path
type Validator<V extends { in: object; out: object }> = MiddlewareHandler<any, string, V>

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/i

/**
 * Parses a JSON body of at most 1 MiB; the route gets it by `c.req.valid('json')`.
 * Answers 415 to another content type, 400 to bad JSON, 413 to a larger one, 422 with the path of each miss.
 */
export function body<S extends z.ZodType>(schema: S): Validator<Body<S>> {
  return async function validateBody(c, next) {
    const type = c.req.header('content-type')
    if (!JSON_TYPE.test(type?.split(';')[0]?.trim() ?? '')) {
      throw problem(
        415,
        'Unsupported media type',
        `Expected a body of type application/json, found ${type ?? 'no type'}.`,
      )
    }
    if (Number(c.req.header('content-length') ?? 0) > JSON_LIMIT) throw tooLarge(JSON_LIMIT)
    const text = await c.req.text()
    if (Buffer.byteLength(text) > JSON_LIMIT) throw tooLarge(JSON_LIMIT)
    c.req.addValidatedData('json', (await validate(schema, parseJson(text), 'The body')) as object)
    await next()
  }
}

/** Parses the query; the route gets it by `c.req.valid('query')`. Values are text: use `z.coerce` for numbers. */
export function query<S extends z.ZodObject>(schema: S): Validator<Query<S>> {
  return async function validateQuery(c, next) {
    const values = Object.entries(c.req.queries()).map(([name, all]) => [name, all.length === 1 ? all[0] : all])
    c.req.addValidatedData('query', (await validate(schema, Object.fromEntries(values), 'The query')) as object)
    await next()
  }
}

/** Parses the path's parameters; the route gets them by `c.req.valid('param')`. */
export function param<S extends z.ZodObject>(schema: S): Validator<Param<S>> {
  return async function validateParam(c, next) {
    c.req.addValidatedData('param', (await validate(schema, c.req.param(), 'The path')) as object)
    await next()
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw problem(400, 'Bad JSON', `The body is not JSON: ${(error as Error).message}`)
  }
}
