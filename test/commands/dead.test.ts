// `warren dead` as a program, on a project of two workers.
import { join } from 'node:path'
import t from 'tap'
import type { DeadLetters } from '../../supervisor/base/dead-letters.ts'
import { recordOf } from '../../supervisor/base/error-record.ts'
import { runDead } from '../../supervisor/commands/dead.ts'
import { deadLetterHeaders } from '../../supervisor/execution/settlement.ts'
import { testBroker } from '../helpers/broker.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { bench, unique } from '../helpers/messaging.ts'
import { freePort } from '../helpers/ports.ts'
import { run, runToEnd } from '../helpers/process.ts'
import { until } from '../helpers/until.ts'

const CLI = join(import.meta.dirname, '../../supervisor/cli.js')

const broker = await testBroker(t)
const [one, two] = [unique('one'), unique('two')]
const worker = (queue: string) => `
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'
console.log('a file that prints')
export default defineWorker(defineQueue('${queue}', { data: z.object({}) }), { handler() {} })
`
const root = compiledProject(t, { 'workers/one.ts': worker(one), 'workers/two.ts': worker(two) })

function dead(args: string[], AMQP_URL = broker.url) {
  return runToEnd(process.execPath, [CLI, 'dead', ...args], { cwd: root, env: { PATH: process.env.PATH, AMQP_URL } })
}

async function fill(t: Parameters<typeof bench>[0], queue: string, count: number): Promise<() => Promise<number>> {
  const raw = await bench(t, broker.url).channel()
  const limit = { 'x-queue-type': 'quorum', 'x-delivery-limit': 2 ** 31 - 1 }
  await raw.assertQueue(`${queue}.dead`, { durable: true, arguments: limit })
  await raw.purgeQueue(`${queue}.dead`)
  const error = recordOf(new RangeError('too \u001b[31mmuch\nand more'))
  const facts = { reason: 'failed', error, attempts: 3, worker: 'one', host: 'h', at: new Date(), before: {} } as const
  for (let n = 0; n < count; n++) {
    raw.sendToQueue(`${queue}.dead`, Buffer.from(`{"n":${n}}`), {
      messageId: `${queue}-${n}`,
      headers: deadLetterHeaders(facts),
    })
  }
  await (raw as unknown as { waitForConfirms(): Promise<void> }).waitForConfirms()
  return async () => (await raw.checkQueue(queue)).messageCount
}

t.test('list, show, redrive, purge', async (t) => {
  const ready = await fill(t, one, 3)
  await fill(t, two, 1)
  const list = await dead(['list'])
  t.match(list, { code: 0, stderr: '' })
  const lines = list.stdout.trimEnd().split('\n')
  t.match(lines[0], /^id +worker +reason +error +attempts +last failed +message$/)
  t.equal(lines.length, 5)
  t.match(lines[1], new RegExp(`^${one}-0 +one +failed +RangeError +3 +[\\d-]+ [\\d:]+Z +too \\?\\[31mmuch$`))

  const json = (await dead(['list', 'one', '--json', '--limit', '2'])).stdout.trimEnd().split('\n')
  t.match(
    json.map((line) => JSON.parse(line)),
    [{ id: `${one}-0`, attempts: 3 }, { id: `${one}-1` }],
  )
  t.equal(json.length, 2)
  t.match(await dead(['list', '--limit', '1']), { stdout: /There are more than these 1/ })
  t.match(await dead(['show', `${one}-1`]), { code: 0, stdout: /worker +one\n[\s\S]*body:\n\{"n":1\}\n$/ })
  t.match(JSON.parse((await dead(['show', `${one}-1`, '--json'])).stdout), { id: `${one}-1`, body: '{"n":1}' })

  t.match(await dead(['redrive', `${one}-1`]), { code: 0, stdout: `Sent back to worker one: ${one}-1\n` })
  t.equal(await ready(), 1)
  t.match(await dead(['redrive', '--all', '--worker', 'one']), { code: 0, stdout: 'Sent back 2.\n' })
  t.equal(await ready(), 3)
  t.match(await dead(['purge', '--yes']), { code: 0, stdout: 'Removed 1.\n' })
  t.match(await dead(['list']), { code: 0, stdout: 'No dead letters.\n' })
})

t.test('a long redrive tells each second how far it is, and whom it left out', async (t) => {
  let time = 0
  const letters = {
    async redriveAll(_: object, onProgress: (count: number) => void) {
      for (let count = 1; count <= 25; count++) {
        time += 100
        onProgress(count)
      }
      return { redriven: 25, skipped: ['each'] }
    },
  } as unknown as DeadLetters
  const printed: string[] = []
  const told: string[] = []
  const output = {
    print: (line: string) => printed.push(line),
    progress: (line: string) => told.push(line),
    now: () => time,
  }
  await runDead(['redrive', '--all'], async () => letters, output)
  t.same(told, ['sent back 10', 'sent back 20'])
  t.match(printed, ['Sent back 25.', /^Left out each: /])
})

t.test('what makes no sense is told in a sentence, and nothing is done', async (t) => {
  for (const [args, expected] of [
    [['lst'], /expected a command, found 'lst' \(did you mean 'list'\?\)/],
    [['purge'], /expected --yes/],
    [['redrive'], /expected an ID, or --all/],
    [['redrive', 'x', '--all'], /expected an ID, or --all/],
    [['list', '--limit', 'many'], /--limit: expected a number from 1 on, found 'many'/],
    [['list', 'three'], /Expected a worker of this project \(one, two\) or an orphan, found 'three'/],
    [['show', 'nothing'], /Expected a dead letter with id 'nothing', found none/],
  ] as [string[], RegExp][]) {
    const { code, stderr, stdout } = await dead(args)
    t.equal(code, 1, args.join(' '))
    t.match(stderr, expected)
    t.notMatch(stderr, /\n {4}at /, 'no stack')
    t.equal(stdout, '')
  }
  t.match(await dead(['list'], `amqp://localhost:${await freePort()}`), {
    code: 1,
    stderr: /nothing listens|ECONNREFUSED/,
  })
})

t.test('a redrive that is killed on its way leaves every message in one place at least', async (t) => {
  const count = 3_000
  const ready = await fill(t, one, count)
  const raw = await bench(t, broker.url).channel()
  await raw.purgeQueue(one)
  const env = { PATH: process.env.PATH, AMQP_URL: broker.url }
  const running = run(process.execPath, [CLI, 'dead', 'redrive', '--all'], { cwd: root, env })
  t.teardown(() => running.end())
  await until(async () => (await ready()) > 1_000, {
    what: 'the first thousand in their queue',
    timeout: 30_000,
    interval: 1,
  })
  t.match(await running.end('SIGKILL'), { signal: 'SIGKILL' })

  // What it held is back when the broker has noticed.
  const listed = (await dead(['list', '--json', '--limit', String(count)])).stdout.trimEnd().split('\n')
  const left = listed.map((line) => JSON.parse(line).id as string)
  t.ok(left.length > 0 && left.length < count, `${left.length} of ${count} are left`)
  const found = new Set(left)
  for (let message = await raw.get(one, { noAck: true }); message; message = await raw.get(one, { noAck: true })) {
    found.add(message.properties.messageId)
  }
  t.equal(found.size, count)
})
