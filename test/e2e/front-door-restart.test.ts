import { Agent, request } from 'node:http'
import t from 'tap'
import { startTasks } from '../helpers/tasks.ts'
import { until } from '../helpers/until.ts'

// @counts-messages
// @long

t.setTimeout(600_000)

const tasks = await startTasks(t, { workers: { work: 'concurrency: 20,' } })
const port = Number(tasks.env.PORT)

/** How a request went: the status of its whole answer, or the error's code. */
interface Outcome {
  readonly n: number
  readonly result: number | string
  /** Milliseconds since 1970. */
  readonly from: number
  readonly to: number
}

let next = 0

/** Sends one message, whose number nobody else uses. */
function post(agent: Agent | false, after = 0): Promise<Outcome> {
  const n = next++
  const from = Date.now()
  const path = `/tasks/work/${n}/1/0?after=${after}`
  return new Promise((resolve) => {
    const end = (result: number | string) => resolve({ n, result, from, to: Date.now() })
    const fail = (error: NodeJS.ErrnoException) => end(error.code ?? error.message)
    const asking = request({ host: '127.0.0.1', port, path, method: 'POST', agent }, (response) => {
      response.on('error', fail).on('end', () => end(response.statusCode ?? 0))
      response.resume()
    })
    asking.on('error', fail).end()
  })
}

for (const command of ['reload', 'restart']) {
  t.test(`pm2 ${command} of the front door under traffic: what it accepts it answers`, async (t) => {
    const [before] = (await tasks.pids())['front-door'] as [number]
    const outcomes: Outcome[] = []
    let isOver = false
    async function visitor(agent: Agent | false): Promise<void> {
      while (!isOver) {
        const outcome = await post(agent)
        outcomes.push(outcome)
        // Whoever is refused comes again a moment later.
        if (typeof outcome.result === 'string') await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    // Half of them with a connection for each request, half on connections that they keep.
    const keeping = new Agent({ keepAlive: true })
    t.teardown(() => keeping.destroy())
    const visitors = Array.from({ length: 10 }, (_, index) => visitor(index % 2 ? keeping : false))
    const answered = () => outcomes.filter(({ result }) => result === 202).length
    await until(() => answered() > 200, { what: 'requests to be answered' })

    // It has them when it is told to end, and needs a while for them.
    const slow = Array.from({ length: 20 }, () => post(false, 1_500))
    const later = Date.now() + 300
    await until(() => Date.now() > later, { what: 'the front door to have these' })
    t.equal((await tasks.pm2(command, 'front-door')).code, 0)
    const so = answered()
    await until(() => answered() > so + 200, { what: 'the new one to answer' })
    isOver = true
    await Promise.all(visitors)
    const inFlight = await Promise.all(slow)
    t.same(new Set(inFlight.map(({ result }) => result)), new Set([202]), 'what was in flight was answered')
    t.not((await tasks.pids())['front-door']?.[0], before)

    const counts: Record<string, number> = {}
    for (const { result } of outcomes) counts[result] = (counts[result] ?? 0) + 1
    const good = outcomes.filter(({ result }) => result === 202)
    const ends = good.map(({ to }) => to).sort((a, b) => a - b)
    const gap = Math.max(...ends.slice(1).map((at, index) => at - (ends[index] as number)))
    const lines = tasks.logs('front-door')
    const at = (msg: string) => Date.parse(String(lines.findLast((line) => line.msg === msg)?.time))
    const drain = at('stopped') - at('draining')
    t.comment(`Answers: ${JSON.stringify(counts)}; ${gap} ms without any.`)
    t.comment(
      `Of these ${drain} ms for the drain, and ${at('listening') - at('stopped')} ms until the next one listens.`,
    )

    const accepted = [...good, ...inFlight].map(({ n }) => n)
    const handled = () => tasks.notes('work').filter(({ what }) => what === 'done')
    const seen = () => new Set(handled().map(({ n }) => n))
    await until(() => accepted.every((n) => seen().has(n)), { what: 'what was answered 2xx to be handled' })
    t.equal(seen().size, handled().length, 'nothing came twice')
    // 503 says that nothing was sent, and so does a refused connection.
    const others = outcomes.filter(({ result }) => result !== 202)
    const sentAnyway = others.filter(({ n }) => seen().has(n))
    t.same(sentAnyway, [], 'what was not answered has done nothing')
    // One that connects at the very moment of the end may find its connection closed before anybody has read from it.
    const known = new Set<unknown>(['ECONNREFUSED', 'ECONNRESET', 503])
    t.same(
      others.filter(({ result }) => !known.has(result)),
      [],
    )
    t.ok((counts.ECONNRESET ?? 0) <= visitors.length, 'and nobody is cut off twice')
  })
}
