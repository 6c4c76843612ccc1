import t from 'tap'
import { z } from 'zod'
import { defineFanout, defineQueue, defineWorker } from '../../supervisor/base/definitions.ts'
import { ceilingProblem, parseScale } from '../../supervisor/base/scale.ts'

t.test('what is left out has its default', async (t) => {
  t.same(parseScale({}), {
    scale: { min: 1, max: 4, messagesPerInstance: 100, cooldown: 60_000 },
    problems: [],
  })
  t.same(parseScale({ min: 6 }).scale.max, 6, 'at least min')
  t.same(parseScale({ min: 0, max: 2, messagesPerInstance: 1, cooldown: '1.5s' }), {
    scale: { min: 0, max: 2, messagesPerInstance: 1, cooldown: 1_500 },
    problems: [],
  })
})

t.test('every mistake is told, all at once', async (t) => {
  const { problems } = parseScale({ min: -1, max: 0, messagesPerInstance: 0.5, cooldown: 'soon', mim: 1 })
  t.same(problems, [
    "scale: unknown option 'mim' (did you mean 'min'?); known are min, max, messagesPerInstance, cooldown",
    'scale.min: expected a whole number from 0 to 1000, found -1',
    'scale.max: expected a whole number from 1 to 1000, found 0',
    'scale.messagesPerInstance: expected a whole number from 1 to 1000000000, found 0.5',
    "scale.cooldown: expected milliseconds or a string such as '250ms', '30s', '5m', '2h', '1d', up to 24 days; found soon",
  ])
  t.same(parseScale({ min: 3, max: 2 }).problems, ['scale.max: expected at least scale.min, 3; found 2'])
  t.match(parseScale(4).problems, [/^scale: expected an object of options, found 4$/])
})

t.test('a worker has it, unless its processes have queues of their own', async (t) => {
  const data = z.object({})
  const handler = () => {}
  t.same(defineWorker(defineQueue('q', { data }), { handler }).scale, undefined)
  t.match(defineWorker(defineQueue('q', { data }), { handler, scale: { min: 0 } }).scale, { min: 0, max: 4 })
  const fanout = defineFanout('f', { data })
  t.throws(() => defineWorker(fanout, { handler, subscription: 'instance', scale: {} }), {
    code: 'WARREN_DEFINITION',
    message: /scale: expected only with subscription 'group'/,
  })
})

t.test('a ceiling that does not hold what the workers always have', async (t) => {
  const of = (min: number) => ({ scale: { min, max: 4, messagesPerInstance: 100, cooldown: 1_000 } })
  const unscaled = { scale: undefined }
  t.equal(ceilingProblem([unscaled, of(2), of(0)], 3), undefined)
  t.equal(ceilingProblem([], 1), undefined)
  t.match(ceilingProblem([unscaled, of(2), of(0)], 2), /^MAX_INSTANCES is 2: expected at least 3 .*take turns in 1\.$/)
  t.match(ceilingProblem([unscaled, of(0)], 1), /expected at least 2 .*do not run\.$/)
  t.equal(ceilingProblem([unscaled, unscaled], 2), undefined)
})
