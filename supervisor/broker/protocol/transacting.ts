import { encodeMethod, type Method } from '../../amqp/methods.ts'
import { precondition } from '../errors.ts'
import { inSlices } from '../slices.ts'
import type { Defer } from './channel.ts'
import type { Wire } from './context.ts'
import type { Publishing } from './publishing.ts'
import type { Settling } from './settling.ts'

/** So many messages for queues are part of one commit of the store: RabbitMQ promises nothing of the kind. */
const TOGETHER = 20_000

/** The part of a channel that handles transactions: publications, and settled deliveries, that take effect together. */
export interface Transacting {
  select(): void
  commit(): void
  rollback(): void
}

export function createTransacting(
  channel: number,
  wire: Wire,
  defer: Defer,
  parts: { publishing: Publishing; settling: Settling },
): Transacting {
  const { publishing, settling } = parts
  const { slices } = wire.context
  let isSelected = false

  function check(): void {
    if (!isSelected) throw precondition('channel is not transactional')
  }

  function reply(name: Method<'tx.select-ok' | 'tx.rollback-ok' | 'tx.commit-ok'>['name']): Buffer {
    return encodeMethod(channel, { name })
  }

  /** Returns whether it is done; what is left is too much for that. */
  function* together(steps: Generator<void>, isLittle: () => boolean): Generator<void, boolean> {
    const release = wire.context.together()
    try {
      for (let next = steps.next(); !next.done; next = steps.next()) {
        if (!isLittle()) return false
        yield
      }
      return true
    } finally {
      release()
    }
  }

  function* commitAll(publications: Generator<void>, isAccepted: () => boolean): Generator<void> {
    yield* publications
    yield* settling.commit()
    if (!isAccepted()) throw precondition('partial tx completion')
    const answer = wire.reserve(channel)
    // A store that fails ends the broker, and this with it.
    wire.context.synced().then(
      () => answer(reply('tx.commit-ok')),
      () => {},
    )
  }

  function* rollbackAll(): Generator<void> {
    yield* settling.rollback()
    wire.write(reply('tx.rollback-ok'))
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
      let routed = 0
      let isAccepted = true
      function* publishAll(): Generator<void> {
        isAccepted = yield* publishing.commit(function onRouted(queues) {
          routed += queues
        })
      }
      const publications = publishAll()
      const steps = commitAll(publications, () => isAccepted)

      function rest(isDone: boolean): void | Promise<void> {
        if (isDone) return undefined
        // Publications make work for the disk, and wait for it. What is settled may be the space that others wait for.
        const published = inSlices(slices, {}, publications)
        return published instanceof Promise ? published.then(() => wire.work(steps)) : wire.work(steps)
      }

      const isDone = wire.work(together(steps, () => routed <= TOGETHER))
      defer('tx.commit', isDone instanceof Promise ? isDone.then(rest) : rest(isDone))
    },

    rollback() {
      check()
      publishing.rollback()
      defer('tx.rollback', wire.work(rollbackAll()))
    },
  }
}
