import type { Context, Hono } from 'hono'
import { TrieRouter } from 'hono/router/trie-router'
import type { FrontDoor } from '../base/front-door.ts'
import { problem, problemResponse } from './problem.ts'

/** Hono's `notFound`: 405 with the methods that the path does have, else 404. */
export function answerNotFound(app: Hono<FrontDoor>): (c: Context<FrontDoor>) => Response {
  let methods: TrieRouter<string> | undefined

  return function notFound(c) {
    methods ??= methodsOf(app)
    const { method, path } = c.req
    const allowed = new Set(methods.match('ALL', path)[0].map(([name]) => name))
    if (allowed.has('GET')) allowed.add('HEAD')
    const answer =
      allowed.size === 0 || allowed.has(method)
        ? problem(404, 'Not found', `Nothing is at ${path}.`)
        : problem(405, 'Method not allowed', `${path} takes ${[...allowed].join(', ')}, not ${method}.`, {
            headers: { allow: [...allowed].join(', ') },
          })
    return problemResponse(answer, c.var.requestId)
  }
}

/** A router that finds the methods of a path; made at the first miss, when all routes are there. */
function methodsOf(app: Hono<FrontDoor>): TrieRouter<string> {
  const router = new TrieRouter<string>()
  for (const route of app.routes) {
    // Middleware has all methods on every path; a route that really takes all of them is never missed.
    if (route.method !== 'ALL') router.add('ALL', route.path, route.method)
  }
  return router
}
