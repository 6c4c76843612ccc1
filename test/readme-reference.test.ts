// The README's tables against the code: what the one has, the other has.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import * as warren from 'warren'
import { z } from 'zod'
import type { Bus } from '../supervisor/base/bus.ts'
import { parseConfig } from '../supervisor/base/config.ts'
import type { DeadLetters } from '../supervisor/base/dead-letters.ts'
import { recordOf } from '../supervisor/base/error-record.ts'
import type { FrontDoorClient } from '../supervisor/base/front-door.ts'
import { createLogger } from '../supervisor/base/log.ts'
import { parseScale } from '../supervisor/base/scale.ts'
import { HandlerContext } from '../supervisor/execution/context.ts'
import { deadLetterHeaders } from '../supervisor/execution/settlement.ts'
import { deadLetterRoutes } from '../supervisor/http/dead-letters.ts'
import { RESERVED_NAMES } from '../supervisor/http/reserved.ts'
import { REPOSITORY } from './helpers/fresh-clone.ts'
import { codeSpans, readReadme } from './helpers/readme.ts'

/** Variables that are no one's to set. */
const INTERNAL = [
  'WARREN_DEV', // `npm run start:dev` sets it
  'WARREN_STARTED', // what the compiler of live reload was started with
  'PM2_CONCURRENT_ACTIONS', // set for pm2's client
  'NODE_APP_INSTANCE', // pm2 sets these three
  'pm_id',
  'pm_exec_path',
]

const readme = readReadme(join(REPOSITORY, 'README.md'))
/** Where the README sends whoever wants to test Warren itself. */
const testing = readReadme(join(REPOSITORY, 'docs/testing.md'))
const source = (file: string) => readFileSync(join(REPOSITORY, file), 'utf8')

function sourcesOf(...folders: string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(REPOSITORY, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.c?[jt]s$/.test(file))
      .map((file) => source(join(folder, file))),
  )
}

/** The table's first column, its code spans. */
function names(columns: string[], heading?: string): string[] {
  return readme.table(columns, heading).flatMap(([first]) => codeSpans(first as string))
}

t.test('every environment variable, with its default', async (t) => {
  const texts = [...sourcesOf('supervisor', 'workers', 'routes'), source('ecosystem.config.cjs')]
  const uses = /\bprocess\.env\.(\w+)|\benv\.([A-Z][A-Z\d_]+)\b|\bvalue\('(\w+)'\)/g
  const used = texts.flatMap((text) => [...text.matchAll(uses)].map(([, a, b, c]) => (a ?? b ?? c) as string))
  const rows = readme.table(['variable', 'default', 'meaning'])
  const documented = rows.map(([variable]) => codeSpans(variable as string)[0] as string)
  t.same(documented.sort(), [...new Set(used)].filter((name) => !INTERNAL.includes(name)).sort())
  for (const name of INTERNAL) t.ok(used.includes(name), `${name} is still there`)

  const defaults = Object.fromEntries(
    rows.map((row) => [codeSpans(row[0] as string)[0], codeSpans(row[1] as string)[0]]),
  )
  const said = parseConfig(
    {
      BROKER_PORT: defaults.BROKER_PORT,
      PORT: defaults.PORT,
      HOST: defaults.HOST,
      LOG_LEVEL: defaults.LOG_LEVEL,
      SHUTDOWN_TIMEOUT: defaults.SHUTDOWN_TIMEOUT,
      DATA_DIR: defaults.DATA_DIR,
    },
    REPOSITORY,
  )
  t.same(said, parseConfig({}, REPOSITORY))
  t.match(readme.text, 'WATCH_POLL')
  for (const variable of ['TEST_AMQP_URL', 'TEST_MANAGEMENT_URL', 'WARREN_REQUIRE_RABBITMQ']) {
    t.match(testing.text, variable)
  }
})

t.test('every npm script', async (t) => {
  const { scripts } = JSON.parse(source('package.json')) as { scripts: Record<string, string> }
  const documented = [readme, testing]
    .flatMap((file) => file.table(['command', 'does']))
    .flatMap(([command]) => /^`npm (?:run )?([\w:]+)`$/.exec(command as string)?.[1] ?? [])
  t.same(documented.sort(), Object.keys(scripts).sort())
})

t.test('every command for dead letters, and every route', async (t) => {
  const commands = names(['this', 'does']).flatMap((code) => /^npx warren dead (\w+)/.exec(code)?.[1] ?? [])
  const [, known = ''] = /const COMMANDS = \{([\s\S]*?)\n\}/.exec(source('supervisor/commands/dead.ts')) ?? []
  t.same([...new Set(commands)].sort(), [...known.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name).sort())

  const routes = deadLetterRoutes({} as DeadLetters, {} as FrontDoorClient, { broken: async () => [] }).routes
  const served = routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`)
  const documented = readme
    .table(['request', 'answer'])
    .map(([request]) => codeSpans(request as string)[0]?.split('?')[0])
  t.same(documented.sort(), [...new Set(served)].sort())
})

t.test('every option of a worker, with its default', async (t) => {
  const fanout = warren.defineFanout('f', { data: z.object({}) })
  const handler = () => {}
  const unknown = t.throws(() => warren.defineWorker(fanout, { handler, zzz: 1 } as { handler: typeof handler }))
  const known = /known are (.*)$/.exec((unknown as unknown as Error).message)?.[1]?.split(', ') ?? []
  const rows = readme.table(['option', 'default', 'meaning'])
  t.same(names(['option', 'default', 'meaning']).sort(), known.sort())

  const defaults = Object.fromEntries(rows.map((row) => row.map((cell) => codeSpans(cell)[0])))
  const { concurrency, threads, memoryLimitMb, timeout, subscription } = defaults
  t.match(warren.defineWorker(fanout, { handler }), {
    concurrency: Number(concurrency),
    threads: Number(threads),
    memoryLimitMb: Number(memoryLimitMb),
    timeout: warren.parseDuration(timeout as string),
    subscription,
  })
})

t.test('every option of scale, with its default', async (t) => {
  const rows = readme.table(['scale', 'default', 'meaning'])
  const said = Object.fromEntries(rows.map((row) => row.map((cell) => codeSpans(cell)[0])))
  const { scale } = parseScale({
    ...said,
    min: Number(said.min),
    max: Number(said.max),
    messagesPerInstance: Number(said.messagesPerInstance),
  })
  t.same(scale, parseScale({}).scale)
  t.same(Object.keys(said).sort(), Object.keys(scale).sort())
})

t.test('every option of startBroker', async (t) => {
  const [, options = ''] = /interface BrokerOptions \{([\s\S]*?)\n\}/.exec(source('supervisor/broker/start.ts')) ?? []
  const [, broker = ''] = /interface Broker \{([\s\S]*?)\n\}/.exec(source('supervisor/broker/start.ts')) ?? []
  const members = (text: string) =>
    [...text.matchAll(/^ {2}(?:readonly )?(\w+)[?:(]/gm)].map(([, name]) => name as string)
  t.same(names(['option', 'meaning']).sort(), members(options).sort())
  const [, given = ''] = /What it gives has ([\s\S]*?)\. Any/.exec(readme.text) ?? []
  t.same(codeSpans(given).sort(), members(broker).sort())
})

t.test('every field of the context', async (t) => {
  const parts = { worker: 'w', timeout: 1, log: createLogger('w', 'silent'), bus: () => ({}) as Bus }
  const context = new HandlerContext({ id: 'id', attempt: 1, attempts: 1, requestId: undefined }, parts, 0)
  // Some are made when they are asked for.
  const { constructor: _, ...made } = Object.getOwnPropertyDescriptors(HandlerContext.prototype)
  const fields = [...Object.keys(context), ...Object.keys(made)]
  t.same(names(['field', 'meaning']).sort(), fields.sort())
})

t.test('every header of a dead letter, and every reason', async (t) => {
  const facts = {
    reason: 'failed',
    error: recordOf(new Error()),
    attempts: 1,
    worker: 'w',
    host: 'h',
    at: new Date(),
  } as const
  t.same(names(['header', 'meaning']).sort(), Object.keys(deadLetterHeaders({ ...facts, before: {} })).sort())
  const [, reasons = ''] = /type DeadReason = (.*)/.exec(source('supervisor/execution/settlement.ts')) ?? []
  const [, meaning = ''] = readme.table(['header', 'meaning'])[0] ?? []
  t.same(codeSpans(meaning).sort(), [...reasons.matchAll(/'(\w+)'/g)].map(([, reason]) => reason).sort())
})

t.test('every error', async (t) => {
  const exported = Object.entries(warren).flatMap(([name, value]) =>
    typeof value === 'function' && value.prototype instanceof Error ? [name] : [],
  )
  t.ok(exported.length > 10)
  const mentioned = codeSpans(readme.text).filter((code) => /^\w+Error$/.test(code))
  t.same([...new Set(mentioned)].sort(), exported.sort())
})

t.test('every reserved path', async (t) => {
  const [, list = ''] = /are Warren's, and([\s\S]*?)Only the first/.exec(readme.text) ?? []
  t.same(codeSpans(list), RESERVED_NAMES)
})

t.test('the messages that troubleshooting quotes', async (t) => {
  const written = sourcesOf('supervisor').join('\n')
  const rows = readme.table(['what you see', 'what it is'])
  const ours = [
    "is in use: the embedded broker can't listen there",
    'is in use by process',
    'is damaged:',
    'The broker accepts no messages:',
    'of disk space left',
    "to be its owner's alone",
    'nothing listens at ',
    'refused the user or password',
    'not ready after',
    'pm2 already runs apps',
    'do not compile',
  ]
  for (const part of [...ours, 'is in use by another process']) {
    t.ok(
      rows.some(([seen]) => seen?.includes(part)),
      `'${part}' is in the README`,
    )
    t.ok(written.includes(part), `'${part}' is what Warren says`)
  }
})

t.test('links to files', async (t) => {
  const links = [...readme.text.matchAll(/\]\((?!http)([^)#]+)\)/g)].map(([, file]) => file as string)
  const files = codeSpans(readme.text).filter((code) => /^(test|workers|routes)\/[\w/-]+\.\w+(\.ts)?$/.test(code))
  t.ok(links.length > 0 && files.length > 0)
  for (const file of [...links, ...files]) t.ok(existsSync(join(REPOSITORY, file)), file)
})
