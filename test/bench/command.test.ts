import t from 'tap'
import { parseCommand, usage } from './command.ts'
import { SCENARIOS } from './scenarios/index.ts'

const KNOWN = ['consume', 'publish', 'startup']

t.test('without arguments all scenarios run, but for the one that takes long', async (t) => {
  const all = { names: KNOWN, rounds: 5, shrink: 1, save: false, size: undefined, profile: false, folder: 'data/bench' }
  t.same(parseCommand([], KNOWN), all)
})

t.test('names and options', async (t) => {
  const parse = (line: string) => parseCommand(line.split(' '), KNOWN)
  t.match(parse('scaling startup consume startup'), { names: ['consume', 'startup', 'scaling'] })
  t.match(parse('--rounds 7 publish'), { names: ['publish'], rounds: 7 })
  t.match(parse('--small'), { names: KNOWN, rounds: 1, shrink: 200 })
  t.match(parse('--small --rounds 2 --folder /there'), { rounds: 2, shrink: 200, folder: '/there' })
  t.match(parse('publish --save'), { names: ['publish'], save: true })
  t.match(parse('publish --profile'), { names: ['publish'], profile: true })
  t.match(parse('publish --size 64kB'), { names: ['publish'], size: '64kB' })
  t.equal(parse('--help'), undefined)
})

t.test('what is wrong is told', async (t) => {
  const cases: [line: string, expected: string][] = [
    [
      'consum',
      "expected scenarios out of consume, publish, startup, scaling; found 'consum' (did you mean 'consume'?)",
    ],
    ['a publish b', "found 'a', 'b'"],
    ['--rounds 0', "--rounds: expected a whole number from 1 on, found '0'"],
    ['--rounds some', "found 'some'"],
    ['--small --save', '--save: .* refused with --small'],
    ['--profile --save', '--save: .* refused with --profile'],
    ['--size 4kB --save', '--save: .* refused with --size'],
    ['--small scaling', "--small: 'scaling' has no small run"],
    ['--smal', "'--smal'"],
  ]
  for (const [line, expected] of cases) {
    t.throws(() => parseCommand(line.split(' '), KNOWN), { message: new RegExp(expected.replaceAll(/[()?]/g, '\\$&')) })
  }
})

t.test('the usage fits a terminal and names all scenarios', async (t) => {
  const text = usage(SCENARIOS)
  for (const name of [...SCENARIOS, 'scaling']) t.match(text, name)
  t.ok(text.split('\n').every((line) => line.length <= 110))
})
