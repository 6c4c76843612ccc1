import { encodeTable } from '../../amqp/fields.ts'
import type { Binding } from './matcher.ts'

/** What makes a binding the same as another of its exchange: destination, routing key and arguments. */
export function bindingKey({ destination, routingKey, arguments: args }: Omit<Binding, 'source'>): string {
  return JSON.stringify([destination.kind, destination.name, routingKey, encodeTable(args).toString('base64')])
}
