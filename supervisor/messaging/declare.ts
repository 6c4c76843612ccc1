import type { Link } from './link.ts'
import type { LinkChannel } from './link-channel.ts'
import type { Declaration } from './topology.ts'

/** Declares in order; rejects with the broker's reason where something of that name exists with other properties. */
export function declare(link: Link, declarations: readonly Declaration[]): Promise<void> {
  return link.withChannel((channel) => declareOn(channel, declarations))
}

/** The same on a channel that is open, and whose end a refusal is. */
export async function declareOn(channel: LinkChannel, declarations: readonly Declaration[]): Promise<void> {
  for (const declaration of declarations) await declareOne(channel, declaration)
}

async function declareOne(channel: LinkChannel, declaration: Declaration): Promise<void> {
  switch (declaration.kind) {
    case 'queue':
      await channel.assertQueue(declaration.name, declaration.options)
      return
    case 'exchange':
      await channel.assertExchange(declaration.name, declaration.type, declaration.options)
      return
    case 'binding':
      await channel.bindQueue(declaration.queue, declaration.exchange, declaration.key)
      return
    case 'exchange-binding':
      await channel.bindExchange(declaration.exchange, declaration.source, declaration.key)
  }
}
