import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { run } from '../../helpers/process.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'

const child = fileURLToPath(new URL('../../fixtures/store/fan-out.js', import.meta.url))

async function fanOut(t: Test, queues: number, count: number, bytes: number) {
  const running = run(process.execPath, [child, temporaryFolder(t), String(queues), String(count), String(bytes)])
  t.teardown(() => running.end('SIGKILL'))
  const [text] = await running.outputs(/^\{.*\}$/m, 60_000)
  t.comment(`${count} messages of ${bytes} bytes to ${queues} queues: ${text}`)
  return JSON.parse(text) as { grown: number; file: number }
}

t.test('large messages to many queues cost memory and disk once', { timeout: 100_000 }, async (t) => {
  const { grown, file } = await fanOut(t, 60, 3, 16 * 2 ** 20)
  t.ok(file < 2 * 50, `${file} MB on disk for 50 MB`)
  // The bodies, and what the database copies of them while it writes.
  t.ok(grown < 6 * 50, `${grown} MB more in memory for 50 MB`)
})

t.test('messages of some size to many queues at once cost memory and disk once', { timeout: 100_000 }, async (t) => {
  const { grown, file } = await fanOut(t, 50, 300, 100_000)
  t.ok(file < 2 * 30, `${file} MB on disk for 30 MB`)
  t.ok(grown < 6 * 30, `${grown} MB more in memory for 30 MB`)
})
