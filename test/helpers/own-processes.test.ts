import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { guardProcesses, processesWith } from './own-processes.ts'
import { isAlive, type Running, run } from './process.ts'
import { temporaryFolder } from './tmp.ts'
import { until } from './until.ts'

/** Something that lives on without its parent, as pm2's daemon does. */
async function startMarked(t: Test, mark: string): Promise<Running> {
  const running = run(process.execPath, ['-e', 'console.log("up"); setInterval(() => {}, 1000)'], {
    env: { MARK: mark },
  })
  t.teardown(() => running.end('SIGKILL'))
  await running.outputs(/up/)
  return running
}

const skip = existsSync('/proc/self/environ') ? false : 'there is no /proc on this machine'

t.test('what outlives its test is found, told and ended', { skip }, async (t) => {
  const folder = temporaryFolder(t)
  const mark = randomUUID()
  const other = await startMarked(t, randomUUID())
  const release = guardProcesses(`MARK=${mark}`, folder)
  const running = await startMarked(t, mark)
  t.same(processesWith(`MARK=${mark}`), [running.pid])

  const left = await release()
  t.match(left, [new RegExp(`^${running.pid} .*setInterval`)])
  t.match(await running.exited, { signal: 'SIGKILL' })
  t.notOk(existsSync(folder))
  t.ok(isAlive(other.pid), 'and nothing else')
})

t.test('it is ended also when the process of the test is killed', { skip }, async (t) => {
  const folder = temporaryFolder(t)
  const mark = randomUUID()
  const module = new URL('own-processes.js', import.meta.url)
  const code = `const { guardProcesses } = await import('${module}')
    guardProcesses('MARK=${mark}', ${JSON.stringify(join(folder, 'its'))})
    console.log('guarded')
    setInterval(() => {}, 1000)`
  const owner = run(process.execPath, ['--input-type=module', '-e', code])
  t.teardown(() => owner.end('SIGKILL'))
  await owner.outputs(/guarded/)
  const running = await startMarked(t, mark)

  await owner.end('SIGKILL')
  t.match(await running.exited, { signal: 'SIGKILL' })
  await until(() => processesWith(`MARK=${mark}`).length === 0, { what: 'the processes to end' })
})
