import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { envFileProblems } from '../../supervisor/base/app-mark.ts'
import { parseConfig } from '../../supervisor/base/config.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

t.test('no file, or one that Node reads whole', async (t) => {
  const root = temporaryFolder(t)
  t.same(envFileProblems(root), [])
  const file = `# keys: see the wiki\n\nAPI_KEYS=one\r\n  export B = two # three\nC="four\nfive\n\nsix" # seven\nD='it'\nE=\nF=it's\n`
  writeFileSync(join(root, '.env'), file)
  t.same(envFileProblems(root), [])
})

t.test('a line without = is a mistake, listed with the others and without what it holds', async (t) => {
  const root = temporaryFolder(t)
  writeFileSync(join(root, '.env'), `A="one\ntwo"\nAPI_KEYS: secret\n\nB=three\nsecret\n`)
  const problems = envFileProblems(root)
  t.match(problems, [/^\.env, line 3: expected NAME=value/, /^\.env, line 6:/])
  t.equal(problems.length, 2)
  t.notMatch(problems.join(), 'secret')
  t.throws(() => parseConfig({ PORT: 'many' }, root, problems), { message: /line 3[\s\S]*line 6[\s\S]*PORT/ })
})
