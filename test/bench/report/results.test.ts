import { readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { temporaryFolder } from '../../helpers/tmp.ts'
import type { Result } from '../scenario.ts'
import { readReport, reportOf, writeReport } from './results.ts'

const result: Result = {
  scenario: 'throughput',
  title: 'Messages [a queue]\n"quoted" [ 1, 2 ]',
  measures: [
    {
      name: '256 B',
      unit: 'messages/s',
      better: 'more',
      digits: 1,
      targets: [{ against: 'A', value: 1.2 }, { value: 5 }],
      sides: [
        { name: 'Warren', values: [1_234_567, 0.125, 2e-7] },
        { name: 'A', values: [] },
      ],
    },
    { name: 'idle', unit: 'MB', better: 'less', sides: [] },
  ],
}

t.test('what is written is read', async (t) => {
  const path = join(temporaryFolder(t), 'report.json')
  const report = reportOf([result], 5)
  writeReport(path, report)
  t.strictSame(readReport(path), report)
  t.match(report, { version: 1, rounds: 5, node: process.version, machine: { cores: Number, model: String } })

  const text = readFileSync(path, 'utf8')
  t.match(text, '"values": [1234567, 0.125, 2e-7]', 'the figures of a side are on a line')
  t.notMatch(text, new RegExp(`"[^"]*(${hostname()}|${process.cwd()})`), 'it does not tell whose machine it was')
})

t.test('figures have six digits', async (t) => {
  const path = join(temporaryFolder(t), 'report.json')
  const sides = [{ name: 'Warren', values: [1 / 3, 123_456.789] }]
  writeReport(path, reportOf([{ ...result, measures: [{ name: 'a', unit: 's', better: 'less', sides }] }], 2))
  t.same(readReport(path).results[0]?.measures[0]?.sides[0]?.values, [0.333333, 123_457])
})

t.test('what is no report is refused, with what was found and where', async (t) => {
  const path = join(temporaryFolder(t), 'report.json')
  const refusal = (text: string) => {
    writeFileSync(path, text)
    try {
      readReport(path)
    } catch (error) {
      return (error as Error).message
    }
    return 'none'
  }
  t.throws(() => readReport('/not/there.json'), {
    message:
      '/not/there.json: expected a report of the benchmarks, a file; found ENOENT. Name another file, or measure this one anew.',
  })
  t.match(
    refusal('{"version": 1,'),
    /report\.json: expected a report of the benchmarks, JSON; found .+ Name another file/,
  )
  t.match(refusal('null'), 'expected a report of the benchmarks, version 1; found no version.')
  t.match(refusal('{"version": 2}'), 'expected a report of the benchmarks, version 1; found version 2.')
  t.match(refusal(JSON.stringify({ ...reportOf([], 1), rounds: 'five' })), /found rounds: .*expected (int|number)/)

  const sides = [{ name: 'Warren', values: [1, Number.NaN] }]
  const broken = { ...result, measures: [{ name: 'a', unit: 's', better: 'less' as const, sides }] }
  writeReport(path, reportOf([broken], 2))
  t.throws(() => readReport(path), { message: /results\.0\.measures\.0\.sides\.0\.values\.1: .*number.*null/ })
  t.match(refusal('{"version": 1}'), /; .*; .*; .*; /, 'several problems are told at once')
})
