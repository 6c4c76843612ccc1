import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runScale } from '../../supervisor/commands/scale.ts'
import { readPins, watchPins, writePin } from '../../supervisor/scaling/notes.ts'
import { aWorker } from '../helpers/fleet.ts'

const { scale: _, ...unscaled } = aWorker({ name: 'fixed' })
const workers = async () => [aWorker(), unscaled]

t.test('pins a worker, and releases it', async (t) => {
  const dataDir = t.testdir({})
  const lines: string[] = []
  const run = (...args: string[]) =>
    runScale(args, workers, (name, count) => writePin(dataDir, name, count), {
      print: (line) => void lines.push(line),
      progress() {},
    })
  const pins = watchPins(dataDir, (error) => t.fail(error.message))
  t.same(pins(), new Map())
  await run('resize', '3')
  t.same(pins(), new Map([['resize', 3]]))
  await run('resize', '0')
  t.same(readPins(dataDir), new Map([['resize', 0]]))
  await run('resize', 'auto')
  t.same(readPins(dataDir), new Map())
  t.same(lines, [
    'resize is pinned to 3 on this machine, until `npx warren scale resize auto`.',
    'resize is pinned to 0 on this machine, until `npx warren scale resize auto`.',
    'resize follows its load again.',
  ])
})

t.test('eight at once lose no pin', async (t) => {
  const dataDir = t.testdir({})
  const notes = new URL('../../supervisor/scaling/notes.js', import.meta.url).href
  const program = `
    import { writePin } from '${notes}'
    process.stdin.once('data', async () => {
      for (let n = 1; n <= 5; n++) await writePin(process.argv[1], process.argv[2], n)
      process.exit(0)
    })
    process.stdout.write('.')`
  const children = Array.from({ length: 8 }, (_, n) =>
    spawn(process.execPath, ['--input-type=module', '-e', program, dataDir, `worker${n}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  )
  const ended = children.map((child) => once(child, 'close'))
  await Promise.all(children.map((child) => once(child.stdout, 'data')))
  for (const child of children) child.stdin.write('go')
  t.same(
    (await Promise.all(ended)).map(([code]) => code),
    children.map(() => 0),
  )
  t.same(Object.fromEntries(readPins(dataDir)), Object.fromEntries(children.map((_, n) => [`worker${n}`, 5])))
  t.same(readdirSync(join(dataDir, 'scaling')), ['pins.json'])
})

t.test('refuses what makes no sense, and changes nothing', async (t) => {
  const pin = async () => void t.fail('nothing is pinned')
  const cases: [string[], RegExp][] = [
    [[], /expected `warren scale NAME auto` or/],
    [['resize'], /expected `warren scale NAME auto` or/],
    [['resize', '1', '2'], /expected `warren scale NAME auto` or/],
    [['resise', '1'], /\(resize, fixed\), found 'resise' \(did you mean 'resize'\?\)/],
    [['fixed', '2'], /worker 'fixed' has no `scale`.*`npx pm2 scale fixed 2`/],
    [['resize', 'two'], /from 0 to 1000; found 'two'/],
    [['resize', '1.5'], /found '1\.5'/],
    [['resize', '1001'], /found '1001'/],
  ]
  for (const [args, message] of cases) {
    await t.rejects(runScale(args, workers, pin, { print() {}, progress() {} }), { code: 'WARREN_USAGE', message })
  }
})

t.test('a file that somebody has broken', async (t) => {
  const dataDir = t.testdir({})
  await writePin(dataDir, 'resize', 2)
  const errors: string[] = []
  const pins = watchPins(dataDir, ({ message }) => errors.push(message))
  t.same(pins(), new Map([['resize', 2]]))
  writeFileSync(join(dataDir, 'scaling/pins.json'), '{"resize":')
  t.same(pins(), new Map([['resize', 2]]), 'the last ones that could be read')
  pins()
  t.match(errors, [/pins\.json: expected numbers of instances by worker, found something else/])
  t.equal(errors.length, 1, 'told once')
  t.throws(() => readPins(dataDir), { code: 'WARREN_SCALING_FILE' })
})

t.test('a worker may have the name of what every object has', async (t) => {
  const dataDir = t.testdir({})
  for (const name of ['constructor', 'toString', '__proto__']) {
    t.equal(readPins(dataDir).get(name), undefined, `${name} is not pinned`)
    await writePin(dataDir, name, 3)
    t.equal(readPins(dataDir).get(name), 3)
  }
  await writePin(dataDir, 'constructor', undefined)
  t.same([...readPins(dataDir).keys()], ['toString', '__proto__'])
})
