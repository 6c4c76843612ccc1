/**
 * How many suspects an instance has at once: half of what it may handle, so that neither they nor the others wait for all of
 * the other kind, and so that other instances get some.
 */
export function suspectsAtOnce(concurrency: number): number {
  return Math.max(1, Math.floor(concurrency / 2))
}
