/** Milliseconds of processor time of the work below on the machine that limits are made for. */
const NOMINAL = 40

/** How many times slower than that this machine is at the moment, at least 1. */
export function slowness(): number {
  work()
  const times = Array.from({ length: 5 }, function measure() {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1_000
  })
  return Math.max(1, Math.min(...times) / NOMINAL)
}

/** What a broker does most: small objects, maps and buffers. */
function work(): number {
  const map = new Map<string, { position: number; body: Buffer }>()
  let sum = 0
  for (let i = 0; i < 40_000; i++) {
    const body = Buffer.allocUnsafe(64)
    body.writeUInt32BE(i, i % 60)
    map.set(`key ${i % 5_000}`, { position: i, body })
    sum += map.get(`key ${(i * 7) % 5_000}`)?.position ?? 0
  }
  return sum
}
