import type { FieldValue, Table } from '../../amqp/fields.ts'
import type { Binding, Matcher } from './matcher.ts'
import { isSame, shown, typeName } from './values.ts'

const MODES = ['all', 'any', 'all-with-x', 'any-with-x']

/** What a binding asks of a message's headers. */
interface Wish {
  readonly wanted: readonly [name: string, value: FieldValue | undefined][]
  readonly isAnyEnough: boolean
}

/** Compares the headers of messages with the arguments of bindings (AMQP 0-9-1, 3.1.3.4; RabbitMQ's `-with-x`). */
export function headersMatcher(): Matcher {
  const wishes = new Map<Binding, Wish>()
  return {
    add: (binding) => void wishes.set(binding, wishOf(binding.arguments)),
    remove: (binding) => void wishes.delete(binding),
    match(_routingKeys, headers, effort) {
      const table = headers() ?? {}
      const found: Binding[] = []
      const count = (values: number) => effort.spend(values)
      for (const [binding, wish] of wishes) {
        effort.spend(1)
        if (matches(wish, table, count)) found.push(binding)
      }
      return found
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

function wishOf(args: Table): Wish {
  const mode = args['x-match'] ?? 'all'
  const withX = mode === 'all-with-x' || mode === 'any-with-x'
  const wanted = Object.entries(args).filter(([name]) => name !== 'x-match' && (withX || !name.startsWith('x-')))
  return { wanted, isAnyEnough: mode === 'any' || mode === 'any-with-x' }
}

function matches({ wanted, isAnyEnough }: Wish, headers: Table, count: (values: number) => void): boolean {
  for (const [name, value] of wanted) {
    count(1)
    // A binding's argument without a value asks only for the header to be there.
    const hits = Object.hasOwn(headers, name) && (value === null || isSame(value, headers[name], count))
    if (hits === isAnyEnough) return hits
  }
  return !isAnyEnough
}
