// Programs of other languages' clients on the embedded broker: `npm run test:clients`. With WARREN_CLIENTS_URL they run on
// another broker, whose queues and exchanges they leave behind.
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { startEmbedded } from '../helpers/embedded.ts'
import { run } from '../helpers/process.ts'
import { temporaryFolder } from '../helpers/tmp.ts'
import { isInstalled, PROGRAMS, type Program } from './programs.ts'

const STEPS = ['declare', 'publish', 'consume', 'ack', 'dead letter', 'rpc', 'channel error', 'transactions', 'close']
/** What some have beside these. */
const MORE = ['crossing closes']

// A compiler may have to start first.
t.setTimeout(300_000)

const table: string[][] = []

for (const program of PROGRAMS) {
  const missing = `\`test/helpers/install-packages.sh ${program.packages.join(' ')}\` installs it`
  t.test(program.client, { skip: isInstalled(program) ? false : missing }, async (t) => {
    const url = process.env.WARREN_CLIENTS_URL ?? (await startEmbedded(t)).url
    const start = performance.now()
    const running = run(program.command[0], program.command.slice(1), {
      env: { PATH: process.env.PATH, HOME: temporaryFolder(t), ...program.env, AMQP_URL: url },
    })
    t.teardown(() => running.end())
    const { code } = await running.exited
    const passed = new Set(running.stdout.split('\n').map((line) => /^ok (.*)$/.exec(line)?.[1]))
    table.push([
      program.client,
      versionOf(program),
      ...[...STEPS, ...MORE].map((step) => (passed.has(step) ? 'yes' : MORE.includes(step) ? '' : 'NO')),
      `${((performance.now() - start) / 1_000).toFixed(1)} s`,
    ])
    for (const step of STEPS) t.ok(passed.has(step), step)
    t.equal(code, 0, 'it ends well', { output: running.output })
  })
}

t.test('the table', async (t) => {
  const head = ['client', 'version', ...STEPS, ...MORE, 'time']
  for (const row of [head, head.map(() => '---'), ...table]) t.comment(`| ${row.join(' | ')} |`)
})

function versionOf(program: Program): string {
  const text = execFileSync('dpkg', ['--status', program.package], { encoding: 'utf8' })
  return /^Version: (?:\d+:)?([\d.]+)/m.exec(text)?.[1] ?? ''
}
