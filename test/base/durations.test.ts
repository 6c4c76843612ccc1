import t from 'tap'
import { parseDuration } from '../../supervisor/base/durations.ts'

t.test('numbers are milliseconds, strings carry a unit', async (t) => {
  const cases = {
    '250': 250,
    '250ms': 250,
    '30s': 30_000,
    '1.5s': 1_500,
    '5m': 300_000,
    '2h': 7_200_000,
    '1d': 86_400_000,
  }
  for (const [text, ms] of Object.entries(cases)) t.equal(parseDuration(text), ms, text)
  for (const text of ['16.1s', '4.1m', '1.005s', '0.5ms']) t.ok(Number.isInteger(parseDuration(text)), text)
  t.equal(parseDuration(0), 0)
  t.equal(parseDuration(' 30 s '), 30_000)
})

t.test('everything else is none', async (t) => {
  for (const value of [
    '',
    's',
    '-1s',
    '1 week',
    '1e3',
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    null,
    undefined,
    {},
    true,
  ]) {
    t.equal(parseDuration(value), undefined, String(value))
  }
})
