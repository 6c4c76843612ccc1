import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isAlive, run, runToEnd } from './process.ts'
import { temporaryFolder } from './tmp.ts'
import { until } from './until.ts'

const node = (code: string) => run(process.execPath, ['-e', code])

t.test('captures output and waits for a line of it', async (t) => {
  const running = node('console.log("listening on 4000"); console.error("oh"); setInterval(() => {}, 1000)')
  t.teardown(() => running.end())
  t.equal((await running.outputs(/listening on (\d+)/))[1], '4000')
  await running.outputs(/oh/)
  t.equal(running.stderr, 'oh\n')

  t.same(await running.end(), { code: null, signal: 'SIGTERM' })
  t.equal(isAlive(running.pid), false)
  t.same(await running.end(), { code: null, signal: 'SIGTERM' }, 'a second end is harmless')
})

t.test('says what was awaited and what came instead', async (t) => {
  const running = node('console.log("something else"); process.exitCode = 3')
  await t.rejects(running.outputs(/never/), /Waited for \/never\/: .* ended with code 3 without it.*something else/s)
})

t.test('kills what does not end by itself', async (t) => {
  const running = node('process.on("SIGTERM", () => {}); console.log("up"); setInterval(() => {}, 1000)')
  await running.outputs(/up/)
  t.same(await running.end('SIGTERM', 50), { code: null, signal: 'SIGKILL' })
})

t.test('runs to the end', async (t) => {
  t.match(await runToEnd(process.execPath, ['-p', '1 + 1']), { code: 0, stdout: '2\n' })
  await t.rejects(runToEnd('/nowhere/program'), /Could not run \/nowhere\/program/)
})

t.test('until gives the value, or says what was awaited', async (t) => {
  let looks = 0
  t.equal(await until(() => (++looks === 3 ? 'found' : undefined), { what: 'it' }), 'found')
  await t.rejects(
    until(() => 0, { what: 'the moon', timeout: 0 }),
    /Waited 0 ms for the moon; found 0/,
  )
  const failing = () => {
    throw new Error('no moon')
  }
  await t.rejects(until(failing, { what: 'the moon', timeout: 0 }), /the last look failed: Error: no moon/)
})

t.test('a temporary folder goes with its test', async (t) => {
  let folder = ''
  await t.test('makes it', async (t) => {
    folder = temporaryFolder(t)
    writeFileSync(join(folder, 'file'), '')
    t.ok(existsSync(folder))
  })
  t.notOk(existsSync(folder))
})
