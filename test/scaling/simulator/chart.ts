// Charts for the terminal: panels one above the other, over the same time.

/** A value over time: how it stood at each moment, until the next. */
export type Curve = readonly { readonly at: number; readonly value: number }[]

interface Frame {
  /** In words, with the unit. */
  readonly title: string
  /** Seconds that the whole width stands for. */
  readonly seconds: number
  /** Columns. */
  readonly width: number
}

/** Columns left of the time axis. */
const MARGIN = 8
const EIGHTHS = ['', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** What both curves reach, what only the first does, and what only the second does. */
export const PAIR = { both: '█', first: '▒', second: '░' } as const

/** One curve as an area, its scale a round number. */
export function area(curve: Curve, { title, seconds, width }: Frame, rows = 8): string[] {
  const columns = sampled(curve, seconds, width)
  const top = niceTop(Math.max(...columns))
  return [
    ` ${title}`,
    ...Array.from({ length: rows }, (_, index) => {
      const floor = rows - 1 - index
      const cells = columns.map((value) => {
        const eighths = Math.round((value / top) * rows * 8) - floor * 8
        // However little it is, it is not nothing.
        const least = floor === 0 && value > 0 ? 1 : 0
        return EIGHTHS[Math.min(Math.max(eighths, least), 8)] || ' '
      })
      const isLabelled = floor === rows - 1 || floor + 1 === rows / 2
      return `${label(isLabelled ? (top * (floor + 1)) / rows : undefined)}┤${cells.join('')}`
    }),
  ]
}

/** Two curves of small whole numbers over each other: a row for each one. */
export function pair(first: Curve, second: Curve, { title, seconds, width }: Frame, most: number): string[] {
  const ones = sampled(first, seconds, width)
  const others = sampled(second, seconds, width)
  return [
    ` ${title}`,
    ...Array.from({ length: most }, (_, index) => {
      const level = most - index
      const cells = ones.map((one, column) => {
        const other = others[column] ?? 0
        if (one >= level) return other >= level ? PAIR.both : PAIR.first
        return other >= level ? PAIR.second : ' '
      })
      return `${label(level)}┤${cells.join('')}`
    }),
  ]
}

/** The axis below the panels. */
export function timeAxis(seconds: number, width: number): string[] {
  const step = niceStep(seconds / (width / 12))
  const ticks = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step)
  const line = Array<string>(width).fill('─')
  const labels = Array<string>(width + MARGIN).fill(' ')
  for (const tick of ticks) {
    const column = Math.min(Math.floor((tick / seconds) * width), width - 1)
    line[column] = '┬'
    const text = tick === 0 ? '0 s' : String(tick)
    for (const [offset, character] of [...text].entries()) labels[column + offset] = character
  }
  const below = labels.join('').trimEnd()
  return [`${' '.repeat(MARGIN - 1)}└${line.join('')}`, `${' '.repeat(MARGIN)}${below}`]
}

/** The columns that a terminal of that width has for time. */
export function columnsOf(terminal = 100): number {
  return Math.max(terminal - MARGIN - 1, 20)
}

/** The end of an axis: a round number that is at least the value, and can be halved twice. */
export function niceTop(value: number): number {
  return rounded(Math.max(value, 4), [1, 2, 4, 6, 8, 10])
}

/** The distance of an axis's marks: a round number that is at least the value. */
export function niceStep(value: number): number {
  return rounded(value, [1, 2, 5, 10])
}

function rounded(value: number, factors: readonly number[]): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return (factors.find((factor) => factor * power >= value * 0.999) as number) * power
}

/** The most within each column: what is short is still seen. What holds on is the last of it. */
function sampled(curve: Curve, seconds: number, width: number): number[] {
  const columns = Array.from({ length: width }, (): number[] => [])
  for (const { at, value } of curve) columns[Math.min(Math.floor((at / seconds) * width), width - 1)]?.push(value)
  let last = 0
  return columns.map((values) => {
    const most = Math.max(...(values.length > 0 ? values : [last]))
    last = values.at(-1) ?? last
    return most
  })
}

function label(value: number | undefined): string {
  const text = value === undefined ? '' : value >= 10_000 ? `${value / 1_000}k` : String(value)
  return text.padStart(MARGIN - 2).padEnd(MARGIN - 1)
}
