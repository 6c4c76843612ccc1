import t from 'tap'
import { ConfirmLostError } from '../../supervisor/base/errors.ts'
import type { Incoming } from '../../supervisor/base/message.ts'
import { CopyRefusedError } from '../../supervisor/messaging/forward.ts'
import { startEmbedded } from '../helpers/embedded.ts'
import { foreignProperties, nested } from '../helpers/foreign-properties.ts'
import { aQueue, bench, clientReady } from '../helpers/messaging.ts'

t.test(
  'a copy that the broker refuses by the end of its connection is refused at the second try, and goes bare',
  async (t) => {
    const { url } = await startEmbedded(t)
    const { client, channel } = bench(t, url)
    const sender = await client()
    const queue = aQueue()
    const { send } = sender.bus()
    await send(queue, { n: 1 })
    // Nested deeper than this broker takes: as if another one had let it pass.
    const raw = foreignProperties(() => 0, nested(100))
    const message = {
      id: 'm-1',
      queue: queue.name,
      deadLetters: `${queue.name}.dead`,
      properties: { headers: {} },
      raw,
    }
    const incoming = { ...message, body: Buffer.from('the body') } as unknown as Incoming
    const headers = { 'x-dead-reason': 'failed' }
    await t.rejects(sender.deadLetter(incoming, headers, { bare: false }), ConfirmLostError)
    await clientReady(sender)
    await t.rejects(sender.deadLetter(incoming, headers, { bare: false }), CopyRefusedError)
    await clientReady(sender)
    await sender.deadLetter(incoming, headers, { bare: true })
    const dead = await (await channel()).get(`${queue.name}.dead`, { noAck: true })
    t.match(dead, { content: Buffer.from('the body'), properties: { messageId: 'm-1', headers } })
    t.ok(await send(queue, { n: 2 }), 'others go on')
  },
)
