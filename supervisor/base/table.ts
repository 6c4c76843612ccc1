/** Rows as lines, their columns below each other. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] as number)).join('  '))
  return lines.map((line) => line.trimEnd()).join('\n')
}
