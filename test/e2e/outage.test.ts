import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { noPrivateNode, rabbitmqRequired, startNode } from '../helpers/broker.ts'
import { startFlixTube } from '../helpers/flixtube.ts'
import { promised } from '../helpers/promised.ts'
import { until } from '../helpers/until.ts'

// @counts-messages
// @long

t.setTimeout(600_000)
if (noPrivateNode && rabbitmqRequired()) throw new Error(noPrivateNode)

/** Publishes a view of whatever video one likes. */
const WATCHED = `
import { Hono } from 'hono'
import type { FrontDoor } from 'warren'
import { viewed } from '../workers/messages/flixtube.ts'

export default new Hono<FrontDoor>().post('/:video', async (c) => {
  const videoPath = c.req.param('video')
  await c.var.bus.publish(viewed, { videoPath })
  return c.json({ videoPath }, 201)
})
`

const SAMPLE = 'sample.mp4'

interface Answer {
  video: string
  status: number
  retryAfter: string | null
  /** When it was asked for, by `performance.now()`. */
  at: number
  ms: number
}

t.test('the broker is away for ten seconds under traffic', { skip: noPrivateNode }, async (t) => {
  const broker = await startNode(t)
  const files = { 'routes/watched.ts': WATCHED }
  const flixtube = await startFlixTube(t, { amqpUrl: broker.url, files })
  const { url } = flixtube
  const before = await flixtube.pids()
  const traffic = startTraffic(url)
  t.teardown(traffic.end)

  await traffic.reach(200)
  const stopping = performance.now()
  await broker.stop()
  const stopped = performance.now()
  await sleep(10_000)
  await traffic.reach(traffic.answers.filter(({ at }) => at <= stopped).length + 100)
  const starting = performance.now()
  t.equal((await fetch(`${url}/readyz`)).status, 503, 'not ready while the broker is away')
  t.equal((await fetch(`${url}/healthz`)).status, 200, 'and healthy')
  t.same(await flixtube.pids(), before, 'all processes live')
  await broker.start()
  await until(async () => (await fetch(`${url}/readyz`)).status === 200, { what: 'the front door to be ready again' })
  await traffic.reach(traffic.answers.length + 200)
  const answers = await traffic.end()

  const accepted = answers.filter(({ status }) => status < 300)
  const refused = answers.filter(({ status }) => status >= 300)
  const slowest = Math.max(...refused.map(({ ms }) => ms))
  t.comment(`${accepted.length} requests were accepted, ${refused.length} refused, the slowest in ${slowest} ms.`)
  t.same([...new Set(refused.map(({ status, retryAfter }) => `${status} ${retryAfter}`))], ['503 1'])
  promised(t, slowest, 1_000, 'each was refused')
  const early = answers.filter(({ at }) => at > stopped && at < starting - 5_000)
  t.ok(early.length > 0 && early.every(({ at, ms }) => at + ms < starting), 'none has waited for the broker')
  const during = answers.filter(({ at }) => at > stopped && at < starting)
  t.ok(during.length >= 100, `${during.length} requests fell into the outage`)
  t.same(new Set(during.map(({ status }) => status)), new Set([503]), 'of which none was accepted')
  t.ok(accepted.some(({ at }) => at < stopping) && accepted.some(({ at }) => at > starting))

  const watched = accepted.filter(({ video }) => video !== SAMPLE).map(({ video }) => video)
  const missing = async () => {
    const seen = new Set((await flixtube.history()).map(({ videoPath }) => videoPath))
    return watched.filter((video) => !seen.has(video))
  }
  await until(async () => (await missing()).length === 0, { what: 'the history', interval: 200 }).catch(() => {})
  t.same(await missing(), [], 'every request that was accepted is in the history')

  // A view whose confirm was lost with the broker may count although its request was refused.
  const samples = accepted.length - watched.length
  const counted = async () => (await flixtube.counts())[SAMPLE] ?? 0
  await until(async () => (await counted()) >= samples, { what: `${samples} views in the recommendations` })
  const rows = (await flixtube.history()).filter(({ videoPath }) => videoPath === SAMPLE).length
  t.ok(rows >= samples, `${rows} rows for ${samples} accepted views`)
  t.ok((await flixtube.history()).length <= answers.length, 'no request is in the history twice')

  t.same(await flixtube.pids(), before, 'no process was restarted')
  t.same(new Set((await flixtube.list()).map(({ restarts }) => restarts)), new Set([0]))
})

/**
 * Four callers that ask again 20 ms after each answer, as long as the test wants. Two watch the sample, two name a video
 * that nobody else names, so that each of their requests can be told from every other.
 */
function startTraffic(url: string) {
  const answers: Answer[] = []
  let ended = false
  let number = 0
  const callers = Promise.all(Array.from({ length: 4 }, (_, caller) => call(caller % 2 === 0)))

  async function call(sample: boolean): Promise<void> {
    while (!ended) {
      const video = sample ? SAMPLE : `video-${++number}`
      const at = performance.now()
      const response = sample
        ? await fetch(`${url}/video`, { headers: { range: 'bytes=0-0' } })
        : await fetch(`${url}/watched/${video}`, { method: 'POST' })
      await response.arrayBuffer()
      const retryAfter = response.headers.get('retry-after')
      answers.push({ video, status: response.status, retryAfter, at, ms: Math.round(performance.now() - at) })
      await sleep(20)
    }
  }

  return {
    answers: answers as readonly Answer[],
    async reach(count: number) {
      await until(() => answers.length >= count, { what: `${count} answers`, timeout: 30_000 })
    },
    async end() {
      ended = true
      await callers
      return answers
    },
  }
}
