import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openDeathNote } from '../../supervisor/execution/death-note.ts'

t.test('processes that end before they have handled anything are counted, until one has', async (t) => {
  const folder = t.testdir()
  t.equal(openDeathNote(folder, 'w', '3').deaths, 0)
  t.equal(openDeathNote(folder, 'w', '3').deaths, 1)
  t.equal(openDeathNote(folder, 'w', '4').deaths, 0, 'another instance')
  const third = openDeathNote(folder, 'w', '3')
  t.equal(third.deaths, 2)
  third.clear()
  third.clear()
  t.equal(openDeathNote(folder, 'w', '3').deaths, 0)
})

t.test('a note that is damaged or can not be written says nothing', async (t) => {
  const folder = t.testdir()
  openDeathNote(folder, 'w', '0')
  writeFileSync(join(folder, 'instances', 'w-0'), 'no number')
  t.equal(openDeathNote(folder, 'w', '0').deaths, 0)
  writeFileSync(join(folder, 'file'), '')
  const nowhere = openDeathNote(join(folder, 'file'), 'w', '0')
  t.equal(nowhere.deaths, 0)
  t.doesNotThrow(() => nowhere.clear())
})
