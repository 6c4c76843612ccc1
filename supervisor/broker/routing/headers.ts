import type { FieldValue, Table } from '../../amqp/fields.ts'
import type { Binding, Matcher } from './matcher.ts'
import { isSame, shown, typeName } from './values.ts'

const MODES = ['all', 'any', 'all-with-x', 'any-with-x']

/** Compares the headers of messages with the arguments of bindings (AMQP 0-9-1, 3.1.3.4; RabbitMQ's `-with-x`). */
export function headersMatcher(): Matcher {
  const bindings = new Set<Binding>()
  return {
    add: (binding) => void bindings.add(binding),
    remove: (binding) => void bindings.delete(binding),
    match(_routingKey, headers) {
      const table = headers() ?? {}
      return [...bindings].filter((binding) => matches(binding.arguments, table))
    },
  }
}

/**
 * What is wrong with the arguments of a binding, in RabbitMQ's words.
 */
export function headersBindingProblem(args: Table): string | undefined {
  const mode = args['x-match']
  if (mode === undefined || MODES.includes(mode as string)) return undefined
  if (typeof mode === 'string') {
    return `Invalid x-match field value <<"${mode}">>; expected all, any, all-with-x, or any-with-x`
  }
  return `Invalid x-match field type ${typeName(mode)} (value ${shown(mode)}); expected longstr`
}

function matches(args: Table, headers: Table): boolean {
  const mode = args['x-match'] ?? 'all'
  const withX = mode === 'all-with-x' || mode === 'any-with-x'
  const wanted = Object.entries(args).filter(([name]) => name !== 'x-match' && (withX || !name.startsWith('x-')))
  const hits = ([name, value]: [string, FieldValue | undefined]) =>
    // A binding's argument without a value asks only for the header to be there.
    Object.hasOwn(headers, name) && (value === null || isSame(value, headers[name]))
  return mode === 'any' || mode === 'any-with-x' ? wanted.some(hits) : wanted.every(hits)
}
