import { appendFileSync, closeSync, ftruncateSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { tailOf } from '../../supervisor/scaling/tail.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

const MIB = 1024 * 1024

t.test('the last lines, whatever the file is like', async (t) => {
  const file = join(temporaryFolder(t), 'log')
  const cases: [text: string, count: number, expected: string[]][] = [
    ['', 3, []],
    ['a\nb\nc\n', 2, ['b', 'c']],
    ['a\nb\nc', 2, ['b', 'c']],
    ['a\n\n\nb\n', 9, ['a', 'b']],
    ['a\nb\n', 0, []],
    [`${'x'.repeat(65_530)}\nä${'y'.repeat(70_000)}ß\nend\n`, 2, [`ä${'y'.repeat(70_000)}ß`, 'end']],
  ]
  for (const [text, count, expected] of cases) {
    writeFileSync(file, text)
    t.same(tailOf(file, count, MIB), expected)
  }
  t.same(tailOf(`${file}.none`, 3, MIB), [])
})

t.test('of a large file only its end is read', async (t) => {
  const file = join(temporaryFolder(t), 'log')
  // More than a string can hold, and no block of the disk: a hole.
  const descriptor = openSync(file, 'w')
  ftruncateSync(descriptor, 700 * MIB)
  closeSync(descriptor)
  appendFileSync(file, `\n${'line\n'.repeat(100)}last\n`)
  const before = process.memoryUsage().arrayBuffers
  t.same(tailOf(file, 3, MIB), ['line', 'line', 'last'])
  t.equal(tailOf(file, 1_000, MIB).length, 101, 'the line that is too long is left out')
  t.ok(process.memoryUsage().arrayBuffers - before < 16 * MIB)
})
