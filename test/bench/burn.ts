/** Computes for so many steps: something that can't be optimised away. Its text is put into workers as well. */
export function burn(steps: number): number {
  let value = 1
  for (let i = 0; i < steps; i++) value = (value * 48_271) % 2_147_483_647
  return value
}

/** How many steps take so many milliseconds on this machine. */
export function stepsOf(ms: number): number {
  const steps = 1_000_000
  const times = Array.from({ length: 20 }, () => {
    const start = performance.now()
    burn(steps)
    return performance.now() - start
  })
  // The fastest: whatever else runs only adds to it.
  return Math.round((steps * ms) / Math.min(...times))
}
