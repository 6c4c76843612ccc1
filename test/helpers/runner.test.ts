import { resolve } from 'node:path'
import t from 'tap'
import { closingLines, progressLine } from './runner/report.ts'
import { type Outcome, runAll, total } from './runner/schedule.ts'
import { select, type TestFile } from './runner/selection.ts'
import { type Result, runFile } from './runner/test-file.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const file = (name: string, marks: Partial<TestFile> = {}): TestFile => ({
  name,
  path: name,
  countsMessages: false,
  isLong: false,
  isAlone: false,
  ...marks,
})
const result = (file: TestFile, failed = 0): Result => ({
  file,
  passed: 10,
  failed,
  skipped: [],
  seconds: 1,
  output: failed > 0 ? 'not ok 1 - it' : '',
})

/** Runs files whose results are given: how many fail at the first run, the second, … */
async function runGiven(given: [TestFile, ...number[]][], jobs = 2): Promise<{ outcome: Outcome; ran: string[] }> {
  const ran: string[] = []
  const outcome = await runAll(
    given.map(([file]) => file),
    {
      jobs,
      stop: new AbortController().signal,
      onResult: () => {},
      async runFile(file) {
        ran.push(file.name)
        const failures = given.find(([one]) => one === file) as [TestFile, ...number[]]
        return result(file, failures[ran.filter((name) => name === file.name).length] as number)
      },
    },
  )
  return { outcome, ran }
}

t.test('what fails is run once more, after all others, and what passes then is flaky', async (t) => {
  const { outcome, ran } = await runGiven([
    [file('shaky'), 2, 0],
    [file('broken'), 1, 3],
    [file('good'), 0],
  ])
  t.same(ran, ['shaky', 'broken', 'good', 'shaky', 'broken'])
  t.same(total(outcome), { passed: 30, failed: 3 })
  const lines = closingLines(outcome, ({ file }) => `${file.name}.log`)
  t.same(lines, [
    'FLAKY: shaky failed once and passed alone: shaky.log',
    'FAILED: broken: broken.log',
    '30 passed, 3 failed',
  ])
})

t.test('what counts messages is not run again', async (t) => {
  const { outcome, ran } = await runGiven([[file('counts', { countsMessages: true }), 1, 0]])
  t.same(ran, ['counts'])
  t.same(total(outcome), { passed: 10, failed: 1 })
})

t.test('more than two flaky files are failures', async (t) => {
  const shaky = (count: number) =>
    Array.from({ length: count }, (_, n): [TestFile, ...number[]] => [file(`${n}`), 1, 0])
  t.same(total((await runGiven(shaky(2))).outcome), { passed: 20, failed: 0 })
  t.same(total((await runGiven(shaky(3))).outcome), { passed: 30, failed: 3 })
})

t.test('what wants to be alone runs when the others have ended', async (t) => {
  const { ran } = await runGiven(
    [
      [file('alone', { isAlone: true }), 0],
      [file('a'), 0],
      [file('b'), 0],
    ],
    3,
  )
  t.same(ran, ['a', 'b', 'alone'])
})

t.test('a file that fails, and one that ends before it has said so', async (t) => {
  const run = (name: string) =>
    runFile(
      file(name, { path: resolve(ROOT, `dist/test/fixtures/runner/${name}.js`) }),
      {},
      new AbortController().signal,
    )
  const failing = await run('fails')
  t.match(failing, { passed: 1, failed: 1, skipped: ['there is no third'] })
  t.match(progressLine(failing, 3, 20), /^FAIL \[ 3\/20\] fails: 1 passed, 1 failed, \d+\.\d s$/)
  const early = await run('ends-early')
  t.match(early, { failed: 1 })
  t.match(early.output, /not ok - it ended without a summary/)
})

t.test('a suite has its files, and a name those that contain it', async (t) => {
  const names = (...args: Parameters<typeof select> extends [string, ...infer Rest] ? Rest : never) =>
    select(ROOT, ...args).map(({ name }) => name)
  const [embedded, runtime, all] = [names('embedded'), names('runtime'), names('all')]
  t.ok(all.includes('helpers/runner.test.ts') && !embedded.includes('helpers/runner.test.ts'))
  t.ok(all.includes('e2e/outage.test.ts') && !embedded.includes('e2e/outage.test.ts'), 'what is long')
  t.ok(embedded.every((name) => all.includes(name)))
  t.ok(runtime.every((name) => embedded.includes(name)))
  t.same(
    runtime.filter((name) => name.startsWith('e2e/')),
    ['e2e/embedded.test.ts'],
  )
  t.ok(!all.some((name) => name.startsWith('fixtures/')))
  t.same(names('embedded', ['broker/differential/diff']), ['broker/differential/differential.test.ts'])
  t.throws(() => names('all', ['no such file']), /expected test files named 'no such file', found none/)
})
