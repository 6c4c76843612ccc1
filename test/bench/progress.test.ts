import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { createProgress } from './progress.ts'

t.test('on a terminal a line is written anew, no wider than that, and goes', async (t) => {
  const written: string[] = []
  const progress = createProgress({ write: (text) => written.push(text), isTTY: true, columns: 10 })
  progress.clear()
  progress.show('one')
  progress.show('a longer one')
  progress.clear()
  progress.end()
  t.same(written, ['\r\x1b[Kone', '\r\x1b[Ka longer ', '\r\x1b[K'])
})

t.test('elsewhere the latest is a line now and then', async (t) => {
  const written: string[] = []
  const progress = createProgress({ write: (text) => written.push(text) }, 100)
  progress.show('one')
  progress.show('two')
  t.same(written, [])
  await until(() => written.length > 0, { what: 'a line' })
  progress.end()
  const { length } = written
  await sleep(150)
  t.equal(written.length, length, 'none comes after its end')
  t.ok(written.every((line) => line === 'two\n'))
})
