/** A lane, as far as segments go that stay mostly empty. */
export interface Tidy {
  /** Has what is left in such segments moved by the next commit. */
  tidy(): void
  /** One more look at them. Returns whether there are any, and whether some have been mostly empty for long. */
  look(): 'none' | 'some' | 'due'
}

/** The lanes with segments that are mostly empty, and how much of moving what is left there a commit does. */
export interface Tidying {
  /** How many segments the present commit may still read for it; 0 while there is no room. */
  left: number
  /** The lane has such segments. */
  join(lane: Tidy): void
  leave(lane: Tidy): void
  /** The lane has more to move than the present commit may. */
  again(lane: Tidy): void
  /** Looks after the lanes. To be called now and then. */
  look(): void
  /** A commit is done: what is left goes on. */
  committed(): void
}

/** Segments that a commit reads, a few milliseconds' worth, and lanes that it looks at. */
const SEGMENTS = 32
const LANES = 32

/**
 * @param hasRoom whether the disk has space to spare: what is moved takes some before it frees more, and a commit that does
 *   not find it keeps the acknowledgements waiting which would have freed it
 */
export function createTidying(hasRoom: () => boolean): Tidying {
  const lanes = new Set<Tidy>()
  const due = new Set<Tidy>()
  let left = SEGMENTS
  let isHeld = false

  function goOn() {
    isHeld = !hasRoom()
    if (isHeld) return
    let count = 0
    for (const lane of due) {
      if (count++ === LANES) return
      due.delete(lane)
      lane.tidy()
    }
  }

  return {
    get left() {
      return isHeld ? 0 : left
    },
    set left(segments) {
      left = segments
    },
    join: (lane) => void lanes.add(lane),
    leave(lane) {
      lanes.delete(lane)
      due.delete(lane)
    },
    again: (lane) => void due.add(lane),
    look() {
      for (const lane of lanes) {
        const found = lane.look()
        if (found === 'none') lanes.delete(lane)
        if (found === 'due') due.add(lane)
      }
      goOn()
    },
    committed() {
      left = SEGMENTS
      goOn()
    },
  }
}
