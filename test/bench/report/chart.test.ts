import t from 'tap'
import type { MeasureResult } from '../scenario.ts'
import { chart } from './chart.ts'

const more: MeasureResult = {
  name: '256 B',
  unit: 'messages/s',
  better: 'more',
  targets: [
    { against: 'Peer one', value: 1.5 },
    { against: 'Absent', value: 2 },
  ],
  sides: [
    { name: 'Warren', values: [200, 200, 200] },
    { name: 'Peer one', values: [100, 80, 125] },
    { name: 'a < b & "c" > d', values: [400, 400, 400] },
  ],
}
const less: MeasureResult = {
  name: 'p99',
  unit: 'ms',
  better: 'less',
  targets: [{ against: 'Peer one', value: 0.5 }],
  sides: [
    { name: 'Warren', values: [2, 2, 2] },
    { name: 'Peer one', values: [8, 4, 6] },
  ],
}

function draw(...measures: MeasureResult[]): string {
  const machine = { cores: 2, model: 'A & B', memoryGb: 4 }
  const results = [{ scenario: 'through <put>', title: '', measures }]
  return chart({ version: 1, date: '2026-11-26T12:00:00.000Z', node: 'v22.0.0', machine, rounds: 3, results })
}

/** The number that each of an SVG's texts stands at, by the text. */
function ticks(svg: string): Map<string, number> {
  const pattern = /<text x="([\d.]+)" y="94"[^>]*>([^<]+)</g
  return new Map([...svg.matchAll(pattern)].map(([, x, label]) => [label as string, Number(x)]))
}

function bars(svg: string): { x: number; width: number; fill: string }[] {
  const pattern = /<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="12" fill="([^"]+)"/g
  // The first two are the legend's.
  return [...svg.matchAll(pattern)]
    .slice(2)
    .map(([, x, width, fill]) => ({ x: Number(x), width: Number(width), fill: fill as string }))
}

/** What is wrong with it as XML, as far as what we write goes. */
function problems(svg: string): string[] {
  const open: string[] = []
  const found: string[] = []
  const rest = svg.replace(/<(\/?)([a-z]+)((?: [a-z-]+="[^"<&]*")*) ?(\/?)>/gi, (_, closes, name, __, isEmpty) => {
    if (closes && open.pop() !== name) found.push(`</${name}> closes nothing`)
    if (!closes && !isEmpty) open.push(name)
    return ''
  })
  if (/[<>]|&(?!(amp|lt|gt|quot);)/.test(rest)) found.push(`not escaped: ${rest}`)
  return [...found, ...open.map((name) => `<${name}> is open`)]
}

t.test('it is well-formed, tells what it shows, and escapes names', async (t) => {
  const svg = draw(more, less)
  t.same(problems(svg), [])
  t.same(problems('<a><b>&nbsp;</a>').length, 3, 'the check finds something')
  t.match(svg, /<title id="title">Warren compared with its peers<\/title>\n<desc id="desc">.*above 1, Warren is\./)
  t.match(svg, '2 cores of A &amp; B, 4 GB')
  t.match(svg, '>through &lt;put&gt;: 256 B, messages/s<')
  t.match(svg, '>a &lt; b &amp; "c" &gt; d<')
  t.equal(svg.match(/>Peer one</g)?.length, 2)
  t.notMatch(svg, /NaN|Infinity|undefined|width="-/)
})

t.test('above 1 Warren is better, whatever the measure', async (t) => {
  const svg = draw(more, less)
  t.match(svg, '>2.00 (1.60 to 2.50)<')
  t.match(svg, '>0.50 (0.50 to 0.50)<')
  t.match(svg, '>3.00 (2.00 to 4.00)<', 'the ratios of less are turned round')
  t.match(svg, 'through &lt;put&gt;: p99, ms (less is better: peer / Warren)')

  const at = ticks(svg)
  const [one, half, three] = bars(svg)
  const end = (bar: { x: number; width: number } | undefined) => (bar ? bar.x + bar.width : Number.NaN)
  t.equal(one?.x, at.get('1.0'), 'a bar starts at the line that is Warren')
  t.ok(Math.abs(end(one) - (at.get('2') as number)) < 0.2)
  t.ok(Math.abs(end(three) - (at.get('3') as number)) < 0.2)
  t.ok(Math.abs(end(half) - (at.get('1.0') as number)) < 0.2, 'one of a better peer ends there')
  const legend = /fill="([^"]+)" fill-opacity=".75"\/>\n<text [^>]*>(.*) is better</g
  const colours = new Map([...svg.matchAll(legend)].map(([, fill, who]) => [who, fill]))
  t.equal(one?.fill, colours.get('Warren'))
  t.equal(half?.fill, colours.get('the peer'))
  t.equal(three?.fill, one?.fill)
})

t.test('targets of peers that took part are marked, turned round like their ratios', async (t) => {
  const marks = (svg: string) =>
    [...svg.matchAll(/M([\d.]+) [\d.]+V[\d.]+" stroke="#be123c"/g)].map(([, x]) => Number(x))
  const svg = draw(more, less)
  const [, first, second, ...others] = marks(svg)
  const [one, two] = [ticks(svg).get('1.0') as number, ticks(svg).get('2') as number]
  t.ok(Math.abs((first as number) - (one + two) / 2) < 0.2, '1.5')
  t.ok(Math.abs((second as number) - two) < 0.2, 'at most half is at least twice as good')
  t.same(others, [])
})

t.test('a wide span is drawn by logarithms', async (t) => {
  t.notMatch(draw(more, less), 'logarithmic')
  const wide: MeasureResult = {
    ...more,
    targets: [],
    sides: [
      { name: 'Warren', values: [100] },
      { name: 'A', values: [10] },
      { name: 'B', values: [1000] },
    ],
  }
  const svg = draw(wide)
  t.same(problems(svg), [])
  t.match(svg, 'logarithmic')
  const [better, worse] = bars(svg)
  t.ok(Math.abs((better?.width as number) - (worse?.width as number)) < 0.2, 'ten times is as far either way')
  t.same([...ticks(svg).keys()], ['0.1', '0.2', '0.5', '1.0', '2', '5', '10'])
})

t.test('what has no ratio has no bar', async (t) => {
  const zero = { ...more, sides: [...more.sides.slice(0, 1), { name: 'Zero', values: [0, 0, 0] }] }
  const svg = draw(zero, { ...less, sides: less.sides.slice(0, 1) })
  t.same(problems(svg), [])
  t.match(svg, '>Zero<')
  t.match(svg, '>no ratio<')
  t.same(bars(svg), [])
  t.notMatch(svg, 'p99', 'a measure without a peer')
  t.notMatch(svg, /NaN|Infinity/)
  t.same(problems(draw()), [])
})
