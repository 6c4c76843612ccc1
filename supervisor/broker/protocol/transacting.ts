import { encodeMethod, type Method } from '../../amqp/methods.ts'
import { precondition } from '../errors.ts'
import type { Wire } from './context.ts'
import type { Publishing } from './publishing.ts'
import type { Settling } from './settling.ts'

/**
 * The part of a channel that handles transactions: publications, and settled deliveries, that take effect together. They do
 * so in one turn of the event loop, and therefore in one commit of the store.
 */
export interface Transacting {
  select(): void
  commit(): void
  rollback(): void
}

export function createTransacting(
  channel: number,
  wire: Wire,
  parts: { publishing: Publishing; settling: Settling },
): Transacting {
  const { publishing, settling } = parts
  let isSelected = false

  function check(): void {
    if (!isSelected) throw precondition('channel is not transactional')
  }

  function reply(name: Method<'tx.select-ok' | 'tx.rollback-ok' | 'tx.commit-ok'>['name']): Buffer {
    return encodeMethod(channel, { name })
  }

  return {
    select() {
      publishing.txSelect()
      settling.txSelect()
      isSelected = true
      wire.write(reply('tx.select-ok'))
    },

    commit() {
      check()
      const isAccepted = publishing.commit()
      settling.commit()
      if (!isAccepted) throw precondition('partial tx completion')
      const answer = wire.reserve(channel)
      // A store that fails ends the broker, and this with it.
      wire.context.synced().then(
        () => answer(reply('tx.commit-ok')),
        () => {},
      )
    },

    rollback() {
      check()
      publishing.rollback()
      settling.rollback()
      wire.write(reply('tx.rollback-ok'))
    },
  }
}
