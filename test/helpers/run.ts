// Runs test files, several at once, with a line for each that ends:
//   node dist/test/helpers/run.js [--all | --runtime] [PART OF A NAME...]
// Without an option it is what needs nothing but Node. --all has everything, with every RabbitMQ that is here; --runtime what can
// differ between versions of Node. The last line is `N passed, N failed`; the exit code is 0 only if nothing has failed.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { noRabbitmq, rabbitmqRequired } from './broker.ts'
import { launchShared, type SharedNodes } from './runner/nodes.ts'
import { closingLines, failureLines, progressLine } from './runner/report.ts'
import { type Outcome, runAll, total } from './runner/schedule.ts'
import { type Suite, select } from './runner/selection.ts'
import { type Result, runFile } from './runner/test-file.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
/** Where the outputs of failed files are kept. */
const OUTPUTS = join(ROOT, 'dist', 'test-output', `node-${process.versions.node.split('.')[0]}`)

const args = process.argv.slice(2)
const suite: Suite = args.includes('--all') ? 'all' : args.includes('--runtime') ? 'runtime' : 'embedded'
const patterns = args.filter((arg) => !arg.startsWith('--'))
// Named files run as by hand: on whatever is here, with brokers of their own.
const isWhole = patterns.length === 0

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())

const files = selected()
if (suite === 'all' && isWhole && noRabbitmq && rabbitmqRequired()) throw new Error(noRabbitmq)
const nodes = suite === 'all' && isWhole ? await launchShared() : undefined
// Many of them mostly wait: for processes to start, and for time to pass.
const jobs = Number(process.env.WARREN_TEST_JOBS) || availableParallelism() + 1
rmSync(OUTPUTS, { recursive: true, force: true })
mkdirSync(OUTPUTS, { recursive: true })
console.log(`${files.length} test files on Node ${process.versions.node}, ${jobs} at a time. ${brokersOf(nodes)}`)

const kept = new Map<Result, string>()
let outcome: Outcome
try {
  outcome = await runTests()
} finally {
  await nodes?.close()
}
for (const line of closingLines(outcome, (result) => relative(ROOT, kept.get(result) ?? OUTPUTS))) console.log(line)
process.exitCode = total(outcome).failed > 0 || stop.signal.aborted ? 1 : 0

function selected(): ReturnType<typeof select> {
  try {
    return select(ROOT, suite, patterns)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}

function runTests(): Promise<Outcome> {
  const isEmbeddedOnly = suite !== 'all' && isWhole && !process.env.TEST_AMQP_URL
  const environment = { ...nodes?.environment, ...(isEmbeddedOnly && { WARREN_EMBEDDED_ONLY: '1' }) }
  let done = 0
  return runAll(files, {
    jobs,
    stop: stop.signal,
    runFile: (file) => runFile(file, environment, stop.signal),
    onResult(result, run) {
      if (run === 'first') done++
      else console.log('Once more, alone:')
      console.log(progressLine(result, done, files.length))
      if (result.failed === 0) return
      for (const line of failureLines(result)) console.log(line)
      const output = join(OUTPUTS, `${result.file.name.replaceAll('/', '-')}${run === 'again' ? '.again' : ''}.log`)
      writeFileSync(output, result.output)
      kept.set(result, output)
    },
  })
}

function brokersOf(shared: SharedNodes | undefined): string {
  if (process.env.TEST_AMQP_URL) return 'The RabbitMQ is the one at TEST_AMQP_URL.'
  if (!shared) return isWhole ? '`npm run test:all` has RabbitMQ as well.' : ''
  return shared.names.length > 0 ? `They share ${shared.names.join(' and ')}.` : 'There is no RabbitMQ here.'
}
