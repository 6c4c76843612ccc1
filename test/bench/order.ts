/**
 * Whose turn it is in a round, as numbers from 0. What a side leaves behind - a broker that is still tidying up, a warm or a
 * cold machine - is the next one's burden, so everyone is to follow everyone else equally often, and to be at every place:
 * a Williams design (E. J. Williams, 1949), balanced over `count` rounds, over twice as many where `count` is odd.
 */
export function orderOf(round: number, count: number): number[] {
  const order = Array.from({ length: count }, (_, place) => {
    // 0, 1, -1, 2, -2, ...: all the distances between neighbours differ.
    const step = place % 2 === 1 ? (place + 1) / 2 : count - place / 2
    return (round + step) % count
  })
  return count % 2 === 1 && round % 2 === 1 ? order.reverse() : order
}
