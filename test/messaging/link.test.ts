import t from 'tap'
import { openLink } from '../../supervisor/messaging/link.ts'
import { startEmbedded } from '../helpers/embedded.ts'

t.test('a channel whose use fails for a reason of its own is closed: a link has only so many', async (t) => {
  const { url } = await startEmbedded(t)
  const link = await openLink({ url: `${url}?channelMax=3`, name: 'a test' })
  t.teardown(() => link.close())
  const ownReason = async () => {
    throw new Error('for a reason of its own')
  }
  for (let i = 0; i < 10; i++) await t.rejects(link.withChannel(ownReason), /of its own/)
  for (let i = 0; i < 10; i++) await t.rejects(link.withConfirmChannel(ownReason), /of its own/)
  const missing = link.withChannel((channel) => channel.checkQueue('none of this name'))
  await t.rejects(missing, /NOT_FOUND/, 'one that the broker has ended says why')
  t.notOk(link.lost.aborted)
})
