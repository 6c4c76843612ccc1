import t from 'tap'
import { ConfirmLostError, PublishRefusedError } from '../../supervisor/base/errors.ts'
import { CopyRefusedError, createForwarder } from '../../supervisor/messaging/forward.ts'
import type { Link } from '../../supervisor/messaging/link.ts'
import type { PublishingChannel } from '../../supervisor/messaging/link-channel.ts'

t.test('a copy that goes alone and is nacked is not to blame: the queue may take it later', async (t) => {
  const lost = new AbortController()
  const answers = [new Error('message nacked'), new Error('another')]
  const channel = {
    mostProperties: 4_000,
    on() {},
    send: (_: unknown, __: Buffer, onConfirm: (error: Error | null) => void) => onConfirm(answers.shift() ?? null),
  } as unknown as PublishingChannel
  const withConfirmChannel = (use: (channel: PublishingChannel) => Promise<void>) => use(channel)
  const alive = { lost: new AbortController().signal, withConfirmChannel } as unknown as Link
  let link = { lost: lost.signal } as unknown as Link
  const publisher = { publish: () => Promise.reject(new ConfirmLostError('queue', 'the channel has ended')) }
  const { forward } = createForwarder(publisher as never, () => ({ link, channel }))
  const message = { id: 'a', body: Buffer.from('{}'), properties: { headers: {} }, raw: undefined }
  const send = () =>
    forward(
      message,
      { exchange: '', routingKey: 'q', address: 'queue' },
      { headers: {}, bare: false, topology: () => [] },
    )

  lost.abort(new Error('Channel closed by server: 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED"'))
  await t.rejects(send(), ConfirmLostError)
  link = alive
  await t.rejects(send(), PublishRefusedError)
  await t.rejects(send(), CopyRefusedError)
  await send()
})
