/** A lane, as far as what it has in memory goes. */
export interface Crowding {
  /** It took or gave something since it was looked at. */
  isUsed: boolean
  /** Leaves to the disk what waits in memory, if it can. Returns how many messages it has looked at. */
  pageOut(): number
}

/** What the entries in memory take, and who has them. */
export interface Crowd {
  /** The bytes of all entries in memory. */
  bytes: number
  join(lane: Crowding): void
  leave(lane: Crowding): void
  /** Where it is too much, has lanes page out: first those that nobody uses. To be called now and then. */
  relieve(): void
}

/** Messages that one call pages out, or a few more: a millisecond or two. */
const MESSAGES = 5_000
/** Lanes that one call looks at. */
const LANES = 2_000

/** @param limit bytes from which on it is too much */
export function createCrowd(limit: number): Crowd {
  const lanes = new Set<Crowding>()

  const crowd: Crowd = {
    bytes: 0,
    join: (lane) => void lanes.add(lane),
    leave: (lane) => void lanes.delete(lane),

    relieve() {
      if (crowd.bytes < limit) return
      let looks = Math.min(lanes.size, LANES)
      let messages = 0
      for (const lane of lanes) {
        if (looks-- === 0 || messages >= MESSAGES || crowd.bytes < limit / 2) return
        // To the end of the line: the next call goes on behind it.
        lanes.delete(lane)
        lanes.add(lane)
        if (lane.isUsed) lane.isUsed = false
        else messages += lane.pageOut()
      }
    },
  }
  return crowd
}
