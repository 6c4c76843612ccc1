import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { StartupError } from '../../supervisor/base/errors.ts'
import { projectMark } from '../../supervisor/base/project-mark.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

t.test("a project's id is its package's name, or what package.json says it is", async (t) => {
  const root = temporaryFolder(t)
  const of = (content: unknown) => {
    writeFileSync(join(root, 'package.json'), typeof content === 'string' ? content : JSON.stringify(content))
    return projectMark(root)
  }
  t.equal(of({ name: '@team/shop' }), '@team/shop')
  t.equal(of({ name: 'new', warren: { project: 'old' } }), 'old', 'after a rename')
  t.equal(of({ warren: { project: 'only' } }), 'only')
  t.equal(of({ name: 'shop', warren: { other: 1 } }), 'shop')
  const bad = [
    {},
    { name: '' },
    { name: 7 },
    { name: 'a b' },
    { name: 'x'.repeat(201) },
    { name: 'shop', warren: { project: 1 } },
  ]
  for (const content of bad) t.throws(() => of(content), StartupError, JSON.stringify(content))
  t.throws(() => of('{'), /package\.json: expected JSON, found/)
  t.throws(() => of('[]'), /expected a JSON object/)
})
