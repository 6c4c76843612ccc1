// A scenario's result as text: under each measure a line for each side.
import { table } from '../../../supervisor/base/table.ts'
import type { Measure, MeasureResult, Result } from '../scenario.ts'
import { type JudgedSide, type JudgedTarget, judge, type Spread } from './judge.ts'

const COLUMNS = 120
const INDENT = '  '
const HEADER = ['', 'median (low to high)', 'Warren / it', 'target']

interface Row {
  readonly name: string
  readonly figure: readonly string[]
  readonly ratio: readonly string[]
  readonly target: string
}

/** A scenario's result in lines of at most 120 columns; names are cut where they would not fit. */
export function resultTable({ scenario, title, measures }: Result): string[] {
  const groups = measures.map((measure) => ({ heading: headingOf(measure), rows: rowsOf(measure) }))
  const rows = groups.flatMap(({ rows }) => rows)
  const longest = Math.max(...rows.map(({ name }) => name.length), 1)
  const excess = Math.max(...grid(rows, longest).map((line) => line.length)) - COLUMNS
  const [header = '', ...lines] = grid(rows, excess > 0 ? Math.max(longest - excess, 8) : longest)
  const body = groups.flatMap(({ heading, rows }) => ['', ...wrapped(heading), ...lines.splice(0, rows.length)])
  return [...wrapped(`${scenario}: ${title}`), header, ...body]
}

/** A number with its thousands separated: `12,345.6`. */
export function figureText(value: number, digits = 0, most = digits): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: most })
}

/** A ratio with two decimal places, fewer from 100 on, and of a small one its first two digits: `1.20`, `0.0042`. */
export function ratioText(value: number): string {
  if (value > 0 && value < 0.1) return String(Number(value.toPrecision(2)))
  return figureText(value, value < 100 ? 2 : 0)
}

/** `1.25 (1.20 to 1.31)` */
export function spreadText(spread: Spread, text: (value: number) => string): string {
  return partsOf(spread, text).join(' ')
}

/** `256 B, messages/s, more is better` */
export function headingOf({ name, unit, better }: Measure): string {
  return `${name}, ${unit}, ${better} is better`
}

function rowsOf(measure: MeasureResult): Row[] {
  const { sides, targets } = judge(measure)
  const digits = measure.digits ?? 0
  const textOf = (target: JudgedTarget) => {
    // With all its digits: a rounded target could seem to be on a figure's other side.
    const value = figureText(target.value, target.against === undefined ? digits : 2, 6)
    return `${measure.better === 'more' ? '>=' : '<='} ${value} ${target.outcome}`
  }
  const targetsOf = (isOfRow: (target: JudgedTarget) => boolean) => targets.filter(isOfRow).map(textOf).join(', ')
  const rowOf = ({ name, figure, ratio }: JudgedSide, i: number): Row => ({
    name,
    figure: figure ? partsOf(figure, (value) => figureText(value, digits)) : ['-'],
    ratio: ratio ? partsOf(ratio, ratioText) : [],
    target: targetsOf(({ against }) => (against === undefined ? i === 0 : against === name)),
  })
  // A target whose side is not there has a line all the same.
  const names = new Set(sides.map(({ name }) => name))
  const absent = targets.flatMap(({ against }) => {
    if (against === undefined) return sides.length === 0 ? ['Warren'] : []
    return names.has(against) ? [] : [against]
  })
  const absentRowOf = (name: string): Row => ({
    name,
    figure: ['-'],
    ratio: [],
    target: targetsOf(({ against }) => (against ?? 'Warren') === name),
  })
  return [...sides.map(rowOf), ...[...new Set(absent)].map(absentRowOf)]
}

/** The header and the rows, their columns below each other; names have at most so many characters. */
function grid(rows: readonly Row[], longest: number): string[] {
  const figures = aligned(rows.map(({ figure }) => figure))
  const ratios = aligned(rows.map(({ ratio }) => ratio))
  const cells = rows.map(({ name, target }, i) => {
    const cut = name.length > longest ? `${name.slice(0, longest - 1)}…` : name
    return [INDENT + cut, figures[i] ?? '', ratios[i] ?? '', target]
  })
  return table([HEADER, ...cells]).split('\n')
}

function partsOf({ median, low, high }: Spread, text: (value: number) => string): string[] {
  return [text(median), `(${text(low)} to ${text(high)})`]
}

/** Cells whose parts end below each other. */
function aligned(cells: readonly (readonly string[])[]): string[] {
  const widthOf = (part: number) => Math.max(...cells.map((parts) => parts[part]?.length ?? 0))
  return cells.map((parts) => parts.map((text, part) => text.padStart(widthOf(part))).join(' '))
}

function wrapped(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`
    if (lines.length > 0 && longer.length <= COLUMNS) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}
