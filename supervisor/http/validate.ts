import type { MiddlewareHandler } from 'hono'
import type { z } from 'zod'
import { validate } from '../base/validate.ts'
import { readJson } from './read-json.ts'

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

/**
 * Parses a JSON body of at most 1 MiB; the route gets it by `c.req.valid('json')`.
 * Answers 415 to another content type, charset or content-encoding, 400 to bad JSON or UTF-8, 413 to a larger body, 422
 * with the path of each miss.
 */
export function body<S extends z.ZodType>(schema: S): Validator<Body<S>> {
  return async function validateBody(c, next) {
    c.req.addValidatedData('json', (await validate(schema, await readJson(c), 'The body')) as object)
    await next()
  }
}

/** Parses the query; the route gets it by `c.req.valid('query')`. Values are text: use `z.coerce` for numbers. */
export function query<S extends z.ZodObject>(schema: S): Validator<Query<S>> {
  return async function validateQuery(c, next) {
    const values = Object.entries(c.req.queries()).map(([name, all]) => [name, all.length === 1 ? all[0] : all])
    // Without a prototype: a name that is left out must not find what every object inherits.
    const given: unknown = Object.assign(Object.create(null), Object.fromEntries(values))
    c.req.addValidatedData('query', (await validate(schema, given, 'The query')) as object)
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
