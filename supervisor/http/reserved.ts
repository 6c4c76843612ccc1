import type { Hono } from 'hono'
import { TrieRouter } from 'hono/router/trie-router'
import { findTargetHandler, isMiddleware } from 'hono/utils/handler'

/** The first path segments that are Warren's own: some serve already, the others are kept free for it. */
export const RESERVED_NAMES = [
  'healthz',
  'readyz',
  'workers',
  'jobs',
  'dead-letters',
  'metrics',
  'openapi.json',
  'asyncapi.json',
  'docs',
  'dashboard',
] as const

/** The first of Warren's names that a user's route would take, or undefined. */
export function reservedNameOf(path: string, handler: Hono['routes'][number]['handler']): string | undefined {
  const first = path.split('/')[1] ?? ''
  if (!/[:*]/.test(first)) return RESERVED_NAMES.find((name) => name === first)
  // `use('*', …)` runs beside other routes; a handler at `/:any` or `/*` would answer in their place.
  if (isMiddleware(findTargetHandler(handler))) return undefined
  const router = new TrieRouter<true>()
  router.add('GET', `/${first}`, true)
  return RESERVED_NAMES.find((name) => router.match('GET', `/${name}`)[0].length > 0)
}
