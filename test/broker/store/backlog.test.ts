import { fileURLToPath } from 'node:url'
import t from 'tap'
import { run } from '../../helpers/process.ts'

// STORE_BACKLOG=1000000 is the full size, for a machine with nothing else to do; then the rates are held to their target.
const SIZE = Number(process.env.STORE_BACKLOG ?? 100_000)
const isFull = SIZE >= 1_000_000
const child = fileURLToPath(new URL('../../fixtures/store/backlog.js', import.meta.url))

// The sizes that the environment can set take longer than a test file's default.
t.setTimeout(600_000)
t.test(
  `a backlog of ${SIZE} messages costs little memory, and drains as a small one`,
  { timeout: 110_000 },
  async (t) => {
    const running = run(process.execPath, [child, t.testdir(), String(SIZE)])
    t.teardown(() => running.end('SIGKILL'))
    const [text] = await running.outputs(/^\{.*\}$/m, 100_000)
    t.comment(text)
    const { small, large, peak, recovery, ready } = JSON.parse(text)
    t.ok(peak < 300, `${peak} MB at most`)
    // A message from disk costs a microsecond more than one from memory; a broker spends ten times that on each.
    const extra = 1e6 / large - 1e6 / small
    const found = `drains ${large} a second, a small one ${small}: ${extra.toFixed(2)} us more for each`
    t.ok(isFull ? extra < 2 : large > small / 20, found)
    t.equal(ready, SIZE)
    if (isFull) t.ok(recovery < 300, `opened in ${recovery} ms`)
    else t.comment(`opened in ${recovery} ms`)
    t.same(await running.exited, { code: 0, signal: null })
  },
)
