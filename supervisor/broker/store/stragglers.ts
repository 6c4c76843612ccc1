import { SEGMENT_BYTES, type Segment } from './segment.ts'

// A segment goes when its last message does. One message that stays, such as one that a consumer has and does not settle,
// would keep 64 KiB of others that are gone. So where segments stay mostly empty, what is left in neighbours is moved into
// one. Neighbours only: segments of one lane must not overlap, because a start reads them one after the other.

/** A segment that is mostly empty has at least so many times what is left in it. */
const SPARSE_TIMES = 4
/** Looks after which a segment that is mostly empty is taken for one that stays so: most are about to be removed. */
const PATIENCE = 2

/** A lane's segments on disk, and which of them are mostly empty. */
export class Stragglers {
  readonly #sparseBytes: number
  readonly #onSparse: () => void
  #last: Segment | null = null
  /** Those that are mostly empty, with the look after which each was noted; the oldest first. */
  #sparse: Map<Segment, number> | undefined
  #looks = 0

  /**
   * @param sparseBytes smaller segments are never mostly empty. Those of less than twice as much are moved together with a
   *   neighbour that is, and one without such neighbours is written anew if that frees twice as much
   * @param onSparse called when the first of them becomes mostly empty
   */
  constructor(sparseBytes: number, onSparse: () => void) {
    this.#sparseBytes = sparseBytes
    this.#onSparse = onSparse
  }

  /** Segments behind all others. */
  add(segments: readonly Segment[]): void {
    for (const segment of segments) {
      this.#link(this.#last, segment, null)
      this.#note(segment)
    }
  }

  /** Others take the place of neighbouring segments. */
  replace(old: readonly Segment[], fresh: readonly Segment[]): void {
    let before = old[0]?.previous ?? null
    const behind = old.at(-1)?.next ?? null
    for (const segment of old) this.remove(segment)
    for (const segment of fresh) {
      this.#link(before, segment, behind)
      before = segment
    }
  }

  /** A segment is removed. */
  remove(segment: Segment): void {
    this.#sparse?.delete(segment)
    const { previous, next } = segment
    if (previous) previous.next = next
    if (next) next.previous = previous
    else if (this.#last === segment) this.#last = previous
    segment.previous = null
    segment.next = null
  }

  /** A message of the segment was removed. */
  onRemoved(segment: Segment): void {
    if (segment.live * 2 < segment.count) this.#note(segment)
  }

  /** Whether what is left in any is to be moved. */
  isDue(): boolean {
    for (const segment of this.#sparse?.keys() ?? []) return this.#isOld(segment)
    return false
  }

  /** One more look. Returns whether any are mostly empty, and whether some are due. */
  look(): 'none' | 'some' | 'due' {
    this.#looks++
    if (this.isDue()) return 'due'
    return this.#sparse?.size ? 'some' : 'none'
  }

  /** Takes up to `most` segments whose messages are to be moved, together with those of their neighbours. */
  take(most: number): Segment[][] {
    const groups: Segment[][] = []
    let count = 0
    for (const segment of this.#sparse?.keys() ?? []) {
      if (!this.#isOld(segment) || count >= most) break
      if (!isMovable(segment)) continue
      const group = this.#groupOf(segment, most - count)
      if (group.length === 1 && segment.size - leftIn(segment) < 2 * this.#sparseBytes) continue
      count += group.length
      groups.push(group)
    }
    return groups
  }

  #link(before: Segment | null, segment: Segment, behind: Segment | null): void {
    segment.previous = before
    segment.next = behind
    if (before) before.next = segment
    if (behind) behind.previous = segment
    else this.#last = segment
  }

  #note(segment: Segment): void {
    if (this.#sparse?.has(segment) || !this.#isListed(segment) || !this.#isMostlyEmpty(segment)) return
    this.#sparse ??= new Map()
    this.#sparse.set(segment, this.#looks)
    if (this.#sparse.size === 1) this.#onSparse()
  }

  /** Others overlap these, and stay where they are. */
  #isListed(segment: Segment): boolean {
    return segment === this.#last || segment.next !== null
  }

  #isMostlyEmpty(segment: Segment): boolean {
    return segment.size >= this.#sparseBytes && segment.live > 0 && leftIn(segment) * SPARSE_TIMES <= segment.size
  }

  /** Whether it has stayed mostly empty. */
  #isOld(segment: Segment): boolean {
    const noted = this.#sparse?.get(segment)
    return noted !== undefined && this.#looks - noted >= PATIENCE
  }

  #joins(segment: Segment | null): segment is Segment {
    if (!segment || !isMovable(segment)) return false
    return this.#isOld(segment) || (segment.size < 2 * this.#sparseBytes && !this.#sparse?.has(segment))
  }

  #groupOf(due: Segment, most: number): Segment[] {
    let bytes = leftIn(due)
    const group = [due]
    let { previous, next } = due
    while (group.length < most && this.#joins(previous) && bytes + leftIn(previous) <= SEGMENT_BYTES) {
      bytes += leftIn(previous)
      group.unshift(previous)
      previous = previous.previous
    }
    while (group.length < most && this.#joins(next) && bytes + leftIn(next) <= SEGMENT_BYTES) {
      bytes += leftIn(next)
      group.push(next)
      next = next.next
    }
    for (const segment of group) this.#sparse?.delete(segment)
    return group
  }
}

/** Whether a commit has written it, and none is about to remove it. */
function isMovable({ isOnDisk, live }: Segment): boolean {
  return isOnDisk && live > 0
}

/** About how many bytes of the record its messages take that are not removed. */
function leftIn({ size, count, live, liveBytes, shared }: Segment): number {
  return Math.max(shared ? 0 : liveBytes, (size / count) * live)
}
