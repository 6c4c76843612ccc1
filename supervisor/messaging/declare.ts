import type { Link } from './link.ts'
import type { LinkChannel } from './link-channel.ts'
import type { Declaration } from './topology.ts'

/** Declares in order, without waiting for one answer before the next declaration is sent; rejects with the broker's reason where something of that name exists with other properties. */
export function declare(link: Link, declarations: readonly Declaration[]): Promise<void> {
  return link.withChannel((channel) => declareOn(channel, declarations))
}

/** The same on a channel that is open, and whose end a refusal is. */
export async function declareOn(channel: LinkChannel, declarations: readonly Declaration[]): Promise<void> {
  await Promise.all(declarations.map((declaration) => declareOne(channel, declaration)))
}

function declareOne(channel: LinkChannel, declaration: Declaration): Promise<unknown> {
  switch (declaration.kind) {
    case 'queue':
      return channel.assertQueue(declaration.name, declaration.options)
    case 'exchange':
      return channel.assertExchange(declaration.name, declaration.type, declaration.options)
    case 'binding':
      return channel.bindQueue(declaration.queue, declaration.exchange, declaration.key)
    case 'exchange-binding':
      return channel.bindExchange(declaration.exchange, declaration.source, declaration.key)
  }
}
