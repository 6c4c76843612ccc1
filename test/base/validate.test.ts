import t from 'tap'
import { z } from 'zod'
import { ValidationError } from '../../supervisor/base/errors.ts'
import { validate } from '../../supervisor/base/validate.ts'

t.test('a schema without promises is answered at once', async (t) => {
  const schema = z.object({ n: z.int(), text: z.string().default('x') })
  for (let i = 0; i < 3; i++) {
    t.same(validate(schema, { n: i }, 'it'), { n: i, text: 'x' })
    t.throws(() => validate(schema, { n: 'no' }, 'it'), { code: 'WARREN_VALIDATION', issues: [{ path: 'n' }] })
  }
})

t.test('one with promises is answered by one', async (t) => {
  let asked = 0
  const schema = z.object({ n: z.int() }).refine(async ({ n }) => {
    asked++
    return n < 2
  }, 'too large')
  for (const n of [0, 1]) t.same(await validate(schema, { n }, 'it'), { n })
  await t.rejects(Promise.resolve(validate(schema, { n: 2 }, 'it')), ValidationError)
  t.equal(asked, 4, 'once each, and once to find out')
})

t.test('what rejects in a schema rejects here, and nowhere else', async (t) => {
  const schema = z.string().refine(async () => {
    throw new Error('no database')
  })
  // An unhandled rejection would fail the test.
  for (let i = 0; i < 2; i++) await t.rejects(Promise.resolve(validate(schema, 'a', 'it')), /no database/)
})

t.test('a part that needs promises may be found late', async (t) => {
  const schema = z.union([z.int(), z.string().refine(async (text) => text !== 'bad')])
  t.equal(validate(schema, 1, 'it'), 1)
  t.equal(await validate(schema, 'good', 'it'), 'good')
  await t.rejects(Promise.resolve(validate(schema, 'bad', 'it')), ValidationError)
  t.equal(await validate(schema, 2, 'it'), 2)
})
