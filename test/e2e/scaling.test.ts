import t from 'tap'
import { testBroker } from '../helpers/broker.ts'
import { startFlixTube, watch } from '../helpers/flixtube.ts'
import { isAlive } from '../helpers/process.ts'
import { until } from '../helpers/until.ts'

// @long

t.setTimeout(600_000)

const broker = await testBroker(t)
// Debug: the log says which process handled which message.
const flixtube = await startFlixTube(t, { amqpUrl: broker.url, env: { LOG_LEVEL: 'debug' } })
let four: number[] = []

t.test('1,000 views for four instances are 1,000 rows', async (t) => {
  const scaled = await flixtube.pm2('scale', 'history', '4')
  t.equal(scaled.code, 0, scaled.stderr)
  four = (await flixtube.pids()).history ?? []
  t.equal(four.length, 4)

  t.same(await watch(flixtube.url, 1_000), { 206: 1_000 })
  await flixtube.settled(1_000)
  const ids = (await flixtube.history()).map(({ id }) => id)
  t.equal(ids.length, 1_000, 'exactly')
  t.same(await flixtube.counts(), { 'sample.mp4': 1_000 }, 'the other subscriber counted each of its copies once')

  const handled = () => flixtube.logs('history').filter(({ msg }) => msg === 'handled')
  await until(() => handled().length >= 1_000, { what: 'the log to have a line for each message' })
  t.equal(handled().length, 1_000, 'none came twice')
  t.same(new Set(handled().map(({ id }) => id)), new Set(ids))
  const shares = four.map((pid) => handled().filter((line) => line.pid === pid).length)
  t.comment(`The four instances handled ${shares.join(', ')}.`)
  t.ok(
    shares.every((share) => share > 0),
    `all four took part: ${shares}`,
  )
})

t.test('scaling from four to one in the middle of 5,000 views loses none', async (t) => {
  let answered = 0
  let scaling: Promise<{ code: number | null; answered: number }> | undefined
  async function scaleDown() {
    const { code } = await flixtube.pm2('scale', 'history', '1')
    return { code, answered }
  }
  const statuses = await watch(flixtube.url, 5_000, (count) => {
    answered = count
    if (count === 1_500) scaling = scaleDown()
  })
  t.same(statuses, { 206: 5_000 })
  const down = await scaling
  t.equal(down?.code, 0)
  t.ok((down?.answered ?? 5_000) < 5_000, `in the middle: from 1500 to ${down?.answered}`)
  const { history: left = [] } = await flixtube.pids()
  t.equal(left.length, 1)
  t.equal(four.filter(isAlive).length, 1, 'the other three have ended')

  await flixtube.settled(6_000)
  t.equal((await flixtube.history()).length, 6_000)
  t.same(await flixtube.counts(), { 'sample.mp4': 6_000 })
})
