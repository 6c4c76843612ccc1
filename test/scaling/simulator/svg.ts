// The same picture as SVG, by hand: two panels over one time axis.
import { type Curve, niceStep, niceTop } from './chart.ts'

const WIDTH = 900
const LEFT = 64
const RIGHT = 20
const PANEL = 150
const GAP = 46
const TOP = 56
const HEIGHT = TOP + 2 * PANEL + GAP + 64

const COLOURS = { backlog: '#b45309', actual: '#0e7490', desired: '#111827', grid: '#e5e7eb', text: '#374151' } as const

export interface Picture {
  readonly title: string
  readonly subtitle: string
  readonly seconds: number
  readonly backlog: Curve
  readonly desired: Curve
  readonly actual: Curve
}

export function svg({ title, subtitle, seconds, backlog, desired, actual }: Picture): string {
  const x = (at: number) => LEFT + (at / seconds) * (WIDTH - LEFT - RIGHT)
  const lower = TOP + PANEL + GAP
  const messages = niceTop(most(backlog))
  const instances = Math.max(most(desired), most(actual), 1)
  const scaleY = (top: number, highest: number) => (value: number) => top + PANEL - (value / highest) * PANEL
  const upperY = scaleY(TOP, messages)
  const lowerY = scaleY(lower, instances)
  const end = lower + PANEL
  const path = (curve: Curve, y: (value: number) => number) => stepPath(curve, x, y, seconds)
  const closed = (curve: Curve, y: (value: number) => number) => `${path(curve, y)}V${round(y(0))}H${round(x(0))}Z`
  const interval = niceStep(seconds / 10)
  const times = multiples(interval, seconds)

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="${COLOURS.text}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 22, title, 'font-size="14" font-weight="600"'),
    text(LEFT, 42, subtitle, 'font-size="11"'),
    ...multiples(messages / 4, messages).flatMap((value) => rule(upperY(value), value)),
    ...multiples(Math.ceil(instances / 6), instances).flatMap((value) => rule(lowerY(value), value)),
    ...times.flatMap((at) => [
      `<path d="M${round(x(at))} ${end}v5" stroke="${COLOURS.text}"/>`,
      text(x(at), end + 18, String(at), 'text-anchor="middle"'),
    ]),
    `<path d="${closed(backlog, upperY)}" fill="${COLOURS.backlog}" fill-opacity=".75"/>`,
    `<path d="${closed(actual, lowerY)}" fill="${COLOURS.actual}" fill-opacity=".45"/>`,
    `<path d="${path(desired, lowerY)}" fill="none" stroke="${COLOURS.desired}" stroke-width="1.5"/>`,
    axisTitle(TOP + PANEL / 2, 'messages'),
    axisTitle(lower + PANEL / 2, 'instances'),
    text((LEFT + WIDTH - RIGHT) / 2, end + 34, 'time, in seconds', 'text-anchor="middle"'),
    ...legend(end + 52),
    '</svg>',
    '',
  ].join('\n')
}

function legend(y: number): string[] {
  const square = (x: number, colour: string, opacity: number) =>
    `<rect x="${x}" y="${y - 10}" width="12" height="12" fill="${colour}" fill-opacity="${opacity}"/>`
  return [
    square(LEFT, COLOURS.backlog, 0.75),
    text(LEFT + 18, y, 'backlog: messages that wait'),
    square(LEFT + 210, COLOURS.actual, 0.45),
    text(LEFT + 228, y, 'actual: processes'),
    `<path d="M${LEFT + 360} ${y - 4}h14" stroke="${COLOURS.desired}" stroke-width="1.5"/>`,
    text(LEFT + 380, y, 'desired: instances that the policy asks for'),
  ]
}

function rule(y: number, value: number): string[] {
  return [
    `<path d="M${LEFT} ${round(y)}H${WIDTH - RIGHT}" stroke="${COLOURS.grid}"/>`,
    text(LEFT - 8, y + 4, value.toLocaleString('en'), 'text-anchor="end"'),
  ]
}

function axisTitle(y: number, title: string): string {
  return text(16, y, title, `text-anchor="middle" transform="rotate(-90 16 ${round(y)})"`)
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(content)}</text>`
}

/** Only where it changes: a sample every 100 ms would make a file of a megabyte. */
function stepPath(curve: Curve, x: (at: number) => number, y: (value: number) => number, seconds: number): string {
  let last: number | undefined
  let lastX = Number.NEGATIVE_INFINITY
  const steps = curve.flatMap(({ at, value }) => {
    // Half a pixel is not seen.
    if (value === last || x(at) - lastX < 0.5) return []
    last = value
    lastX = x(at)
    return [`H${round(x(at))}V${round(y(value))}`]
  })
  return `M${round(x(0))} ${round(y(curve[0]?.value ?? 0))}${steps.join('')}H${round(x(seconds))}`
}

function multiples(step: number, highest: number): number[] {
  return Array.from({ length: Math.floor(highest / step + 1e-9) + 1 }, (_, index) => index * step)
}

function most(curve: Curve): number {
  return curve.reduce((highest, { value }) => Math.max(highest, value), 0)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
