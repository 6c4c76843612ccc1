import t from 'tap'
import { longestTimeout } from '../../supervisor/messaging/consumer-timeout.ts'
import { openLink } from '../../supervisor/messaging/link.ts'
import { findRefusals } from '../../supervisor/messaging/refused-project.ts'
import { testBroker } from '../helpers/broker.ts'

t.test('what a broker would refuse is found by asking it, and nothing where nobody answers', async (t) => {
  const { url } = await testBroker(t)
  const quick = { name: 'quick', timeout: 60_000 }
  t.same(await findRefusals([url], 'one', [quick]), [])

  // RabbitMQ before 3.12 alone has a limit that a worker can be over.
  const link = await openLink({ url, name: 'test' })
  const longest = longestTimeout(link.server)
  await link.close()
  t.match(await findRefusals([url], 'one', [quick, { name: 'slow', timeout: longest + 1 }]), [
    new RegExp(`^Worker 'slow' has a timeout of ${longest + 1} ms; .* expected at most ${longest} ms`),
  ])

  t.match(await findRefusals([url], 'another', [quick]), [/^AMQP_URL: .*another/s], 'the virtual host is taken')

  const wrong = new URL(url)
  wrong.password = 'not-the-right-one'
  const refused = await findRefusals([wrong.href], 'one', [quick])
  t.match(refused, [/^AMQP_URL: the broker at amqp:.* refused the user or password\.$/])
  t.notMatch(refused[0], 'not-the-right-one')

  const nobody = 'amqp://guest:guest@127.0.0.1:1'
  t.same(await findRefusals([nobody], 'one', [quick]), [])
  t.same(await findRefusals([nobody, wrong.href], 'one', [quick]), [], 'the one that is away may be the right one')
  t.match(await findRefusals([wrong.href, url], 'one', [quick]), [], 'one of them takes it')
})
