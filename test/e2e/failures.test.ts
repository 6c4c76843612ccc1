import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'amqplib'
import t, { type Test } from 'tap'
import { testBroker } from '../helpers/broker.ts'
import { createProject, until } from '../helpers/project.ts'
import { promised } from '../helpers/promised.ts'

// @long

t.setTimeout(600_000)

const broker = await testBroker(t)
const project = await createProject(t, {}, { real: true })
project.env.AMQP_URL = broker.url

const HISTORY = readFileSync('workers/history.ts', 'utf8')
const { PORT, BROKER_PORT } = project.env

interface Failure {
  /** Files of the project that only this case has. */
  files?: Record<string, string>
  env?: NodeJS.ProcessEnv
  /** All that is on standard error, but for spaces at its ends. */
  message: string | RegExp
}

/** That `npm start` fails, says why in one message, ends with code 1 and leaves nothing running. */
function fails(name: string, { files = {}, env = {}, message }: Failure, during = async (_t: Test) => {}): void {
  t.test(name, async (t) => {
    for (const [file, text] of Object.entries(files)) project.write(file, text)
    await during(t)
    const started = performance.now()
    const { code, stdout, stderr } = await project.npm('start', [], env)
    const took = performance.now() - started
    for (const file of Object.keys(files)) {
      if (file === 'workers/history.ts') project.write(file, HISTORY)
      else project.remove(file)
    }
    t.equal(code, 1, stdout)
    if (typeof message === 'string') t.equal(stderr.trim(), message)
    else t.match(stderr.trim(), message)
    promised(t, took, 15_000, 'it has failed')
    t.notMatch(stderr, /\n\s+at .*:\d+:\d+/, 'without a stack')
    t.notMatch(stdout + stderr, 'sesame', 'without the password')
    await until('nothing is left running', () => project.processes().length === 0)
  })
}

/** Listens where somebody else wants to. */
async function occupy(t: Test, port: string | undefined): Promise<void> {
  const other = createServer().listen(Number(port), '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
}

fails('an option that the compiler knows to be wrong', {
  files: { 'workers/history.ts': HISTORY.replace('concurrency: 50', 'concurency: 50') },
  message:
    /^The sources do not compile:\nworkers\/history\.ts\(7,3\): .*'concurency' does not exist in type .* mean to write 'concurrency'\?$/,
})

fails('an option that only Warren knows to be wrong', {
  files: { 'workers/history.ts': HISTORY.replace('concurrency: 50', '...JSON.parse(\'{"concurency":50}\')') },
  message:
    "workers/history.ts: expected a file that can be imported, found DefinitionError: defineWorker('viewed') is not valid: " +
    "unknown option 'concurency' (did you mean 'concurrency'?); known are handler, concurrency, threads, timeout, " +
    'memoryLimitMb, attempts, backoff, subscription, scale',
})

fails('two files of one name', {
  files: { 'workers/history.mts': HISTORY },
  message: 'workers/history.mts and workers/history.ts: expected one file of a name, found two. Rename one.',
})

fails('two workers of one queue', {
  files: { 'workers/pictures.ts': "export { default } from './thumbnail.ts'\n" },
  message:
    "workers/pictures.ts and workers/thumbnail.ts: expected one worker for queue 'thumbnail', found two, of which each " +
    'would get some of its messages. Use a fanout for copies, or `pm2 scale` for more instances.',
})

fails('a file without a worker', {
  files: { 'workers/forgotten.ts': 'export const nothing = 1\n' },
  message:
    'workers/forgotten.ts: expected a worker as the default export, `export default defineWorker(…)`; found no default ' +
    'export.',
})

fails('a syntax error', {
  files: { 'workers/history.ts': HISTORY.replace('defineWorker(viewed, {', 'defineWorker(viewed, {{') },
  message: /^The sources do not compile:\n(workers\/history\.ts\(\d+,\d+\): error TS\d+: .*\n?)+$/,
})

fails(
  'a port in use',
  { message: `front-door: Port ${PORT} on 127.0.0.1 is in use by another process. Stop it, or set PORT.` },
  (t) => occupy(t, PORT),
)

fails(
  "the embedded broker's port in use",
  {
    env: { AMQP_URL: '' },
    message:
      `broker: Port ${BROKER_PORT} is in use: the embedded broker can't listen there. End what uses it, or set ` +
      'BROKER_PORT.',
  },
  (t) => occupy(t, BROKER_PORT),
)

fails('a store that is damaged', {
  env: { AMQP_URL: '', DATA_DIR: 'damaged' },
  files: { 'damaged/broker/store.json': '{"format":1}' },
  message:
    `broker: The broker's store ${project.root}/damaged/broker is damaged: its file data.mdb is gone. Nothing was ` +
    'changed. Restore the folder from a backup, or move it away to start with an empty one.',
})

fails('a worker of a name that is taken', {
  files: { 'workers/broker.ts': HISTORY },
  message: /^workers\/broker\.ts: expected a name that is not a number and none of .*\. Rename the file\.$/,
})

const address = new URL(broker.url)
const wrong = new URL(address)
wrong.password = 'open-sesame'
fails('a wrong password', {
  env: { AMQP_URL: wrong.href },
  message: `AMQP_URL: the broker at amqp://${address.host}${address.pathname} refused the user or password.`,
})

fails(
  'a queue that exists with other properties',
  { message: /^thumbnail: .*PRECONDITION_FAILED - inequivalent arg '.*' for queue 'thumbnail' .*$/ },
  async (t) => {
    const connection = await connect(broker.url)
    t.teardown(() => connection.close())
    const channel = await connection.createChannel()
    // The starts before this one had it made.
    await channel.deleteQueue('thumbnail')
    await channel.assertQueue('thumbnail', { durable: true })
    t.teardown(() => channel.deleteQueue('thumbnail'))
  },
)

t.test('once it is mended it starts, and stops without a trace', async (t) => {
  const { code, stderr } = await project.npm('start')
  t.equal(code, 0, stderr)
  t.equal(stderr, '')
  t.match(await project.npm('stop'), { code: 0 })
  await until('nothing is left running', () => project.processes().length === 0)
})
