import t from 'tap'
import type { Result } from '../scenario.ts'
import { figureText, ratioText, resultTable } from './table.ts'

const result: Result = {
  scenario: 'throughput',
  title: 'Messages through one queue.',
  measures: [
    {
      name: '256 B',
      unit: 'messages/s',
      better: 'more',
      targets: [
        { against: 'BullMQ', value: 1.2 },
        { against: 'Faktory', value: 1 },
      ],
      sides: [
        { name: 'Warren', values: [12_000, 12_345, 13_000] },
        { name: 'BullMQ', values: [9_000, 9_876, 10_000] },
        { name: 'rabbitmq-client', values: [1_200_000, 1_234_500, 1_300_000] },
      ],
    },
    {
      name: 'p99',
      unit: 'ms',
      better: 'less',
      digits: 1,
      targets: [{ value: 2.5 }, { against: 'BullMQ', value: 0.333 }],
      sides: [
        { name: 'Warren', values: [2.51, 2.54, 2.6] },
        { name: 'BullMQ', values: [10, 10, 10] },
      ],
    },
    { name: 'memory', unit: 'MB', better: 'less', targets: [{ value: 80 }], sides: [] },
  ],
}

t.test('a result is a table', async (t) => {
  t.same(resultTable(result), [
    'throughput: Messages through one queue.',
    '                   median (low to high)                Warren / it          target',
    '',
    '256 B, messages/s, more is better',
    '  Warren              12,345       (12,000 to 13,000)',
    '  BullMQ               9,876        (9,000 to 10,000)  1.30 (1.25 to 1.33)  >= 1.20 ok',
    '  rabbitmq-client  1,234,500 (1,200,000 to 1,300,000)  0.01 (0.01 to 0.01)',
    '  Faktory                  -                                                >= 1.00 not measured',
    '',
    'p99, ms, less is better',
    '  Warren                 2.5             (2.5 to 2.6)                       <= 2.5 MISSED',
    '  BullMQ                10.0           (10.0 to 10.0)  0.25 (0.25 to 0.26)  <= 0.333 ok',
    '',
    'memory, MB, less is better',
    '  Warren                   -                                                <= 80 not measured',
  ])
})

t.test('no line is longer than 120 columns', async (t) => {
  const long = 'a peer whose name nobody could remember, and who needs half a line to say it '.repeat(2)
  const lines = resultTable({
    ...result,
    title: 'Words that go on. '.repeat(20).trim(),
    measures: result.measures.map((measure) => ({
      ...measure,
      sides: [...measure.sides, { name: long, values: [9, 9, 9] }],
    })),
  })
  t.equal(Math.max(...lines.map((line) => line.length)), 120)
  t.match(lines.join('\n'), / {2}a peer whose .*… +9 /)
  t.match(lines.join(' '), 'Words that go on. '.repeat(20).trim(), 'no word of the title is lost')
})

t.test('numbers have the digits that they need', async (t) => {
  t.equal(figureText(1_234_567.891, 1), '1,234,567.9')
  t.same([1234.4, 99, 1, 0.1, 0.0999, 0.00423].map(ratioText), ['1,234', '99.00', '1.00', '0.10', '0.1', '0.0042'])
})
