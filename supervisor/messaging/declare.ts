import type { Channel } from 'amqplib'
import type { Link } from './link.ts'
import type { Declaration } from './topology.ts'

/** Declares in order; rejects with the broker's reason where something of that name exists with other properties. */
export function declare(link: Link, declarations: readonly Declaration[]): Promise<void> {
  return link.withChannel(async function declareAll(channel) {
    for (const declaration of declarations) await declareOne(channel, declaration)
  })
}

async function declareOne(channel: Channel, declaration: Declaration): Promise<void> {
  switch (declaration.kind) {
    case 'queue':
      await channel.assertQueue(declaration.name, declaration.options)
      return
    case 'exchange':
      await channel.assertExchange(declaration.name, declaration.type, declaration.options)
      return
    case 'binding':
      await channel.bindQueue(declaration.queue, declaration.exchange, '')
  }
}
