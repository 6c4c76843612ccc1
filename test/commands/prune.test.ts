// `warren prune`, and how `check` and `dead` tell of orphans, as programs.
import { join } from 'node:path'
import t from 'tap'
import { projectMark } from '../../supervisor/base/project-mark.ts'
import { testBroker } from '../helpers/broker.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { headersOf } from '../helpers/dead-letters.ts'
import { aFanout, aQueue, bench, unique } from '../helpers/messaging.ts'
import { runToEnd } from '../helpers/process.ts'

const CLI = join(import.meta.dirname, '../../supervisor/cli.js')

const broker = await testBroker(t)
const queue = unique('one')
const root = compiledProject(t, {
  'workers/one.ts': `
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'
export default defineWorker(defineQueue('${queue}', { data: z.object({}) }), { handler() {} })
`,
})
const project = projectMark(root)

function warren(...args: string[]) {
  return runToEnd(process.execPath, [CLI, ...args], {
    cwd: root,
    env: { PATH: process.env.PATH, AMQP_URL: broker.url },
  })
}

t.test('another project is told whose the broker is', async (t) => {
  const elsewhere = bench(t, broker.url)
  await elsewhere.client({ project: 'rails' })
  for (const command of [['dead', 'list'], ['prune']]) {
    const { code, stdout, stderr } = await warren(...command)
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, new RegExp(`belongs to project 'rails', and this is project '${project}'`))
    t.notMatch(stderr, /\n {4}at /, 'no stack')
  }
  const raw = await elsewhere.channel()
  await raw.deleteExchange('warren.project')
})

t.test('nothing is removed while a worker can not be read: what it consumes is no orphan', async (t) => {
  const broken = compiledProject(t, { 'workers/bad.ts': 'throw new Error("not today")' })
  const env = { PATH: process.env.PATH, AMQP_URL: broker.url }
  const { code, stderr } = await runToEnd(process.execPath, [CLI, 'prune'], { cwd: broken, env })
  t.equal(code, 1)
  t.match(stderr, /Nothing is removed .*\nworkers\/bad\.ts: expected a file that can be imported, found .*not today/)
})

t.test('orphans are told of, and removed', async (t) => {
  const { client, channel } = bench(t, broker.url)
  const [empty, full] = [aQueue('empty'), aFanout('full')]
  const one = await client({ project })
  one.register({ name: 'one', address: { kind: 'queue', name: queue }, subscription: 'group' })
  await one.bus().send(empty, { n: 1 })
  const former = await bench(t, broker.url).consumer({ address: full, worker: 'former', project })
  one.register({ name: 'former', address: full, subscription: 'group' })
  await former.close()
  const raw = await channel()
  await raw.purgeQueue(empty.name)
  const name = `${full.name}.former`
  raw.sendToQueue(`${name}.dead`, Buffer.from('{}'), { messageId: 'm-1', headers: headersOf() })
  await (raw as unknown as { waitForConfirms(): Promise<void> }).waitForConfirms()
  await one.close()

  t.match(await warren('check'), { code: 0, stdout: new RegExp(`orphans.*\n.*\n${empty.name}.*\n${name} +0 +0 +1 `) })
  t.match(await warren('dead', 'list', name), {
    code: 0,
    stdout: new RegExp(`m-1 +${name.replace('.', '\\.')} +failed`),
  })
  t.match(await warren('prune'), {
    code: 0,
    stdout: new RegExp(
      `^Removed queue ${empty.name} .*\nKept subscription ${name} of former worker former .*: it has 1 message\\.\n$`,
    ),
  })
  t.match(await warren('prune', name), {
    code: 1,
    stdout: '',
    stderr: new RegExp(`it has 1 message\\. .*warren prune ${name} --yes`),
  })
  t.match(await warren('dead', 'redrive', 'm-1', '--to', 'one'), { code: 0, stdout: 'Sent to worker one: m-1\n' })
  t.match(await warren('prune', name), { code: 0, stdout: new RegExp(`^Removed subscription ${name} `) })
  t.match(await warren('prune'), { code: 0, stdout: /^No orphans/ })
  t.notMatch((await warren('check')).stdout, /orphan/)
  t.match(await warren('prune', queue), { code: 1, stderr: /Expected an orphan of this project \(there are none\)/ })
  t.match(await warren('prune', '--yes'), { code: 1, stderr: /expected --yes with a NAME only/ })
})
