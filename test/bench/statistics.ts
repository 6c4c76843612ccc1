/** The value that so much of the list lies below: 0.5 is the median. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)] ?? Number.NaN
  return low + ((sorted[Math.ceil(at)] ?? low) - low) * (at % 1)
}

/** `1.52 (1.41 to 1.60)`: the median and the extremes. */
export function spread(values: readonly number[], digits = 2): string {
  const [median, low, high] = [quantile(values, 0.5), Math.min(...values), Math.max(...values)]
  return `${median.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`
}
