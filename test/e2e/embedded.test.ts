import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'amqplib'
import { Jimp } from 'jimp'
import t from 'tap'
import { brokerUrl, obtainCredentials } from '../../supervisor/base/broker-credentials.ts'
import { startFlixTube } from '../helpers/flixtube.ts'
import { until } from '../helpers/until.ts'

t.setTimeout(600_000)

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

/** Takes its time, and notes what it has done. */
const SLOW = `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

export default defineWorker(defineQueue('slow', { data: z.object({ n: z.int() }) }), {
  handler: async ({ n }) => {
    appendFileSync('slow', \`begun \${n}\\n\`)
    await sleep(4_000)
    appendFileSync('slow', \`done \${n}\\n\`)
  },
})
`

const started = performance.now()
const flixtube = await startFlixTube(t, { files: { 'routes/watched.ts': WATCHED, 'workers/slow.ts': SLOW } })
t.comment(`npm start took ${Math.round(performance.now() - started)} ms, compiling included`)
const { url, root, env } = flixtube
const folder = join(root, 'data', 'broker')
const credentials = obtainCredentials(folder)
const password = Buffer.from(credentials.password)
const amqpUrl = brokerUrl(credentials, Number(env.BROKER_PORT))

async function appsOf() {
  return (await flixtube.list()).map(({ name, status, restarts }) => `${name} ${status} ${restarts}`).sort()
}

t.test('all of the example works, and nobody has set up a broker', async (t) => {
  t.same(await appsOf(), [
    'autoscaler online 0',
    'broker online 0',
    'front-door online 0',
    'history online 0',
    'recommendations online 0',
    'slow online 0',
    'thumbnail online 0',
  ])
  t.equal((await fetch(`${url}/readyz`)).status, 200)
  const video = await fetch(`${url}/video`)
  t.equal(video.status, 200)
  t.ok(Buffer.from(await video.arrayBuffer()).equals(readFileSync('routes/assets/sample.mp4')))
  await flixtube.settled(1)
  const headers = { 'content-type': 'application/json' }
  const direct = await fetch(`${url}/viewed`, { method: 'POST', headers, body: '{"videoPath":"other.mp4"}' })
  t.equal(direct.status, 201)
  t.same((await flixtube.history()).map(({ videoPath }) => videoPath).sort(), ['other.mp4', 'sample.mp4'])

  const image = await new Jimp({ width: 600, height: 300 }).getBuffer('image/jpeg')
  const ordered = await fetch(`${url}/thumbnails?width=320`, { method: 'POST', body: new Uint8Array(image) })
  t.equal(ordered.status, 202)
  const { id } = (await ordered.json()) as { id: string }
  const look = async () => {
    const response = await fetch(`${url}/thumbnails/${id}`)
    const bytes = Buffer.from(await response.arrayBuffer())
    return response.status === 200 ? bytes : undefined
  }
  const png = await Jimp.fromBuffer(await until(look, { what: 'the thumbnail', interval: 100 }))
  t.same([png.width, png.height], [320, 160])
})

t.test(
  'kill -9 of the broker under traffic: what was answered 2xx is in the history, and nothing else ends',
  async (t) => {
    const { broker: _, ...others } = await flixtube.pids()
    const accepted: string[] = []
    const refused: number[] = []
    let isOver = false
    async function viewer(number: number): Promise<void> {
      for (let n = 0; !isOver; n++) {
        const video = `${number}-${n}.mp4`
        const response = await fetch(`${url}/watched/${video}`, { method: 'POST' })
        await response.arrayBuffer()
        if (response.ok) accepted.push(video)
        else {
          refused.push(response.status)
          await sleep(20)
        }
      }
    }
    const viewers = Promise.all(Array.from({ length: 10 }, (_, number) => viewer(number)))
    t.teardown(() => {
      isOver = true
    })
    const more = (count: number) => {
      const goal = accepted.length + count
      return until(() => accepted.length >= goal, { what: `${goal} views to be accepted` })
    }
    for (let kill = 0; kill < 3; kill++) {
      await more(200)
      const [pid] = (await flixtube.pids()).broker as [number]
      process.kill(pid, 'SIGKILL')
      await until(() => refused.length > 0, { what: 'a request to be refused' })
      refused.length = 0
    }
    await more(200)
    isOver = true
    await viewers

    const missing = async () => {
      const seen = new Set((await flixtube.history()).map(({ videoPath }) => videoPath))
      return accepted.filter((video) => !seen.has(video))
    }
    await until(async () => (await missing()).length === 0, { what: 'the history', interval: 200 }).catch(() => {})
    t.same(await missing(), [], `all of the ${accepted.length} that were accepted are in the history`)
    const { broker, ...same } = await flixtube.pids()
    t.equal(broker?.length, 1)
    t.same(same, others, 'no other process has ended')
    t.match(await appsOf(), [/0$/, 'broker online 3', /0$/, /0$/, /0$/, /0$/, /0$/])
  },
)

t.test('the password is in its file and nowhere else', async (t) => {
  t.equal(statSync(join(folder, 'credentials.json')).mode & 0o777, 0o600)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  const processes = flixtube.processes()
  t.ok(processes.length >= 6, "pm2's daemon and the processes it runs")
  for (const pid of existsSync('/proc/self') ? processes : []) {
    for (const file of ['cmdline', 'environ']) {
      t.notOk(readFileSync(`/proc/${pid}/${file}`).includes(password), `not in the ${file} of a process`)
    }
  }
  const written = filesBelow(env.PM2_HOME as string).concat(filesBelow(join(root, 'dist')), filesBelow(folder))
  const logs = written.filter((file) => file.endsWith('.log'))
  t.ok(logs.length >= 10)
  t.same(
    written.filter((file) => readFileSync(file).includes(password)),
    [join(folder, 'credentials.json')],
  )
  t.notMatch(flixtube.stdout, credentials.password)
})

t.test('npm stop leaves nothing running, ends the broker last, and starting again goes on where it was', async (t) => {
  const views = (await flixtube.history()).length
  const connection = await connect(amqpUrl)
  const channel = await connection.createConfirmChannel()
  const argument = { arguments: { 'x-queue-type': 'quorum' } }
  await channel.assertQueue('left', argument)
  channel.sendToQueue('left', Buffer.from('to be kept'), { persistent: true })
  await channel.waitForConfirms()
  await connection.close()

  t.match(await flixtube.npm('stop'), { code: 0, stderr: '' })
  await until(() => flixtube.processes().length === 0, { what: 'the processes to end' })
  const order = ended()
  t.same(
    order.toSorted(),
    ['autoscaler', 'broker', 'front-door', 'history', 'recommendations', 'slow', 'thumbnail'],
    'in good order',
  )
  t.equal(order[0], 'autoscaler', 'which would bring back the others')
  t.equal(order.at(-1), 'broker', 'which the others could need until then')

  t.match(await flixtube.npm('start'), { code: 0, stderr: '' })
  t.equal((await flixtube.history()).length, views)
  t.equal((await fetch(`${url}/watched/again.mp4`, { method: 'POST' })).status, 201)
  const seen = async () => (await flixtube.history())[0]?.videoPath === 'again.mp4'
  await until(seen, { what: 'the new view in the history', interval: 100 })

  const again = await connect(amqpUrl)
  const left = await (await again.createChannel()).get('left', { noAck: true })
  await again.close()
  t.equal(left ? left.content.toString() : undefined, 'to be kept')
})

t.test('told to end with all others, the broker lets them finish first', async (t) => {
  const connection = await connect(amqpUrl)
  const channel = await connection.createConfirmChannel()
  channel.sendToQueue('slow', Buffer.from('{"n":1}'), { persistent: true })
  await channel.waitForConfirms()
  await connection.close()
  const noted = () => (existsSync(join(root, 'slow')) ? readFileSync(join(root, 'slow'), 'utf8') : '')
  await until(() => noted() === 'begun 1\n', { what: 'the worker to begin' })

  t.equal((await flixtube.pm2('delete', 'all')).code, 0)
  await until(async () => (await flixtube.list()).length === 0, { what: 'all to end', interval: 100 })
  t.equal(noted(), 'begun 1\ndone 1\n')

  // Had the broker not waited, the worker could not have acknowledged what it finished, and would get it once more.
  t.match(await flixtube.npm('start'), { code: 0 })
  const again = await connect(amqpUrl)
  t.equal((await (await again.createChannel()).checkQueue('slow')).messageCount, 0)
  await again.close()
  t.equal(noted(), 'begun 1\ndone 1\n', 'what was finished is not begun again')
})

/** The apps whose processes ended in good order, as they did so. */
function ended(): string[] {
  const log = readFileSync(join(env.PM2_HOME as string, 'pm2.log'), 'utf8')
  return [...log.matchAll(/App \[(.+):\d+\] exited with code \[0\] via signal \[SIGINT\]/g)].map(
    ([, name]) => name as string,
  )
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  )
}
