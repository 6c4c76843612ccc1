// A run's ratios as SVG: a bar for each peer, from the line that is Warren to how much better Warren is.
import { niceStep } from '../../scaling/simulator/chart.ts'
import type { MeasureResult } from '../scenario.ts'
import { judge, type Spread } from './judge.ts'
import type { Report } from './results.ts'
import { figureText, ratioText, spreadText } from './table.ts'

const WIDTH = 900
/** For the numbers. */
const RIGHT = 180
const TOP = 100
const ROW = 20
const HEADING = 34
const THICK = 12
/** Of 12 px type; wide enough for most names. */
const CHARACTER = 6.8
/** A wider span is drawn by logarithms: else what is below 1 is but a few pixels. */
const LINEAR_SPAN = 8

const COLOURS = {
  better: '#0e7490',
  worse: '#b45309',
  target: '#be123c',
  line: '#111827',
  grid: '#e5e7eb',
  text: '#374151',
} as const

interface Bar {
  readonly peer: string
  /** Above 1 Warren is better, whatever the measure. */
  readonly ratio: Spread
  readonly targets: readonly number[]
}

interface Group {
  readonly heading: string
  readonly bars: readonly Bar[]
}

interface Scale {
  /** From 0, the left end, to 1. */
  at(ratio: number): number
  readonly ticks: readonly number[]
  readonly isLog: boolean
}

/** A bar chart of how many times better Warren is than each peer; measures without a peer aren't in it. */
export function chart({ date, node, machine, rounds, results }: Report): string {
  const groups = results.flatMap(({ scenario, measures }) => measures.flatMap((measure) => groupOf(scenario, measure)))
  const bars = groups.flatMap((group) => group.bars)
  const left = Math.min(Math.max(...bars.map(({ peer }) => peer.length * CHARACTER), 100) + 24, 320)
  const scale = scaleOf(bars.filter(isDrawable).flatMap(({ ratio, targets }) => [ratio.low, ratio.high, ...targets]))
  const x = (ratio: number) => left + scale.at(ratio) * (WIDTH - RIGHT - left)
  const end = TOP + groups.reduce((height, group) => height + HEADING + group.bars.length * ROW, 0) + 10
  const height = end + 50

  let y = TOP
  const drawn = groups.flatMap(({ heading, bars }) => {
    const top = y + HEADING
    y = top + bars.length * ROW
    return [
      // The halo keeps it readable over the grid.
      text(16, top - 8, heading, 'font-weight="600" stroke="#fff" stroke-width="4" paint-order="stroke"'),
      ...bars.flatMap((bar, i) => drawBar(bar, top + i * ROW + ROW / 2, left, x)),
    ]
  })
  const title = 'Warren compared with its peers'
  const machineText = `${machine.cores} cores of ${machine.model}, ${machine.memoryGb} GB`
  const axis = `times better than the peer${scale.isLog ? ', logarithmic' : ''}`
  const spoken = groups.flatMap(({ heading, bars }) => [
    `${heading}: ${bars.map(({ peer, ratio }) => `${peer} ${shown(ratio)}`).join(', ')}.`,
  ])
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="12" fill="${COLOURS.text}">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="desc">${escaped(`How many times better Warren is than each peer; above 1, Warren is. ${spoken.join(' ')}`)}</desc>`,
    // Of its own, so that it can be read on a dark page too.
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(16, 24, title, 'font-size="14" font-weight="600"'),
    text(16, 42, `${date.slice(0, 10)}, Node ${node}, ${machineText}; medians of ${rounds} rounds`, 'font-size="11"'),
    ...legend(66),
    ...scale.ticks.flatMap((tick) => [
      line(x(tick), TOP, end, COLOURS.grid),
      text(x(tick), TOP - 6, tickText(tick), 'text-anchor="middle" font-size="11"'),
      text(x(tick), end + 16, tickText(tick), 'text-anchor="middle" font-size="11"'),
    ]),
    line(x(1), TOP, end, COLOURS.line, 1.5),
    ...drawn,
    text((left + WIDTH - RIGHT) / 2, end + 36, axis, 'text-anchor="middle" font-size="11"'),
    '</svg>',
    '',
  ].join('\n')
}

function groupOf(scenario: string, measure: MeasureResult): Group[] {
  const isLess = measure.better === 'less'
  const { sides, targets } = judge(measure)
  const bars = sides.flatMap(({ name, ratio }): Bar[] => {
    if (!ratio) return []
    const values = targets.filter(({ against }) => against === name).map(({ value }) => (isLess ? 1 / value : value))
    return [{ peer: name, ratio: isLess ? inverted(ratio) : ratio, targets: values.filter(isPositive) }]
  })
  const heading = `${scenario}: ${measure.name}, ${measure.unit}${isLess ? ' (less is better: peer / Warren)' : ''}`
  return bars.length > 0 ? [{ heading, bars }] : []
}

function inverted({ median, low, high }: Spread): Spread {
  return { median: 1 / median, low: 1 / high, high: 1 / low }
}

function drawBar(bar: Bar, y: number, left: number, x: (ratio: number) => number): string[] {
  const { peer, ratio, targets } = bar
  const label = text(left - 10, y + 4, peer, 'text-anchor="end"')
  const number = text(WIDTH - RIGHT + 12, y + 4, shown(ratio), 'font-size="11"')
  if (!isDrawable(bar)) return [label, number]
  const [from, to] = [x(1), x(ratio.median)]
  const [low, high] = [x(ratio.low), x(ratio.high)]
  const box = `x="${round(Math.min(from, to))}" y="${y - THICK / 2}" width="${round(Math.abs(to - from))}" height="${THICK}"`
  return [
    label,
    `<rect ${box} fill="${ratio.median < 1 ? COLOURS.worse : COLOURS.better}" fill-opacity=".75"/>`,
    `<path d="M${round(low)} ${y}H${round(high)}M${round(low)} ${y - 3}v6M${round(high)} ${y - 3}v6" fill="none" stroke="${COLOURS.line}"/>`,
    ...targets.map((target) => line(x(target), y - 9, y + 9, COLOURS.target, 2)),
    number,
  ]
}

function legend(y: number): string[] {
  const square = (x: number, colour: string) =>
    `<rect x="${x}" y="${y - 10}" width="12" height="12" fill="${colour}" fill-opacity=".75"/>`
  return [
    square(16, COLOURS.better),
    text(34, y, 'Warren is better'),
    square(150, COLOURS.worse),
    text(168, y, 'the peer is better'),
    line(300, y - 11, y + 3, COLOURS.line, 1.5),
    text(310, y, 'Warren = 1'),
    `<path d="M396 ${y - 4}h18M396 ${y - 7}v6M414 ${y - 7}v6" fill="none" stroke="${COLOURS.line}"/>`,
    text(422, y, 'lowest to highest round'),
    line(584, y - 13, y + 5, COLOURS.target, 2),
    text(594, y, 'target'),
  ]
}

function scaleOf(values: readonly number[]): Scale {
  const lowest = Math.min(1, ...values)
  const highest = Math.max(1, ...values)
  if (highest / lowest <= LINEAR_SPAN) {
    const step = niceStep(highest / 8)
    const count = Math.ceil(highest / step)
    return {
      at: (ratio) => ratio / (count * step),
      ticks: Array.from({ length: count + 1 }, (_, i) => i * step),
      isLog: false,
    }
  }
  const from = 1 / niceStep(1 / lowest)
  const to = niceStep(highest)
  const decades = Math.log10(to / from)
  const first = Math.floor(Math.log10(from))
  const powers = Array.from({ length: Math.ceil(decades) + 2 }, (_, i) => 10 ** (first + i))
  const ticks = powers.flatMap((power) => (decades > 3 ? [power] : [power, 2 * power, 5 * power]))
  const isWithin = (tick: number) => tick >= from * 0.999 && tick <= to * 1.001
  return { at: (ratio) => Math.log10(ratio / from) / decades, ticks: ticks.filter(isWithin), isLog: true }
}

/** A peer's figure of nothing, or one that is NaN, has no place on a scale. */
function isDrawable({ ratio }: Bar): boolean {
  return isPositive(ratio.low) && isPositive(ratio.high)
}

function isPositive(value: number): boolean {
  return value > 0 && Number.isFinite(value)
}

function shown(ratio: Spread): string {
  return Number.isFinite(ratio.median) ? spreadText(ratio, ratioText) : 'no ratio'
}

function tickText(tick: number): string {
  return figureText(tick, tick === 1 ? 1 : 0, 6)
}

function line(x: number, top: number, bottom: number, colour: string, width = 1): string {
  return `<path d="M${round(x)} ${round(top)}V${round(bottom)}" stroke="${colour}" stroke-width="${width}"/>`
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(content)}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
