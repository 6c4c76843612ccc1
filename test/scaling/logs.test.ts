import { spawn } from 'node:child_process'
import { appendFileSync, closeSync, ftruncateSync, openSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createProject, outputOf, stubWorker } from '../helpers/project.ts'

// @long

t.setTimeout(600_000)

t.test('the ends of the logs, however large they are, for as long as somebody reads', async (t) => {
  const talks = `for (let n = 0; n < 40; n++) log.info({ n }, 'a line')
    const timer = setInterval(() => log.info('and another'), 200)
    await report.set({ status: 'ready' })
    return async () => clearInterval(timer)`
  const project = await createProject(t, { talks: stubWorker('talks', talks) })
  const started = await project.npm('start')
  t.equal(started.code, 0, started.stdout + started.stderr)

  const show = (command: string) =>
    outputOf(spawn('bash', ['-c', command], { cwd: project.root, env: project.env, timeout: 60_000 }))
  const logs = 'node dist/supervisor/cli.js logs'
  // The shell says how the command itself has ended, once it has.
  const head = await show(`{ ${logs}; echo "ended with $?" >&2; } | head -1`)
  t.match(head, { code: 0, stdout: /INFO/, stderr: /^ended with \d+\n$/ }, 'it ends with its reader')
  t.equal(head.stdout.trim().split('\n').length, 1)

  const file = join(project.env.PM2_HOME as string, 'logs/talks-out.log')
  t.equal((await project.pm2('stop', 'talks')).code, 0)
  // More than a string can hold.
  const descriptor = openSync(file, 'r+')
  ftruncateSync(descriptor, 600 * 1024 * 1024)
  closeSync(descriptor)
  appendFileSync(file, '\n{"level":30,"time":"2026-01-01T00:00:00.000Z","msg":"the last one"}\n')
  const few = await show(`NODE_OPTIONS=--max-old-space-size=100 ${logs} talks --nostream --lines 1`)
  t.match(few, { code: 0, stdout: /the last one/, stderr: '' })
})
