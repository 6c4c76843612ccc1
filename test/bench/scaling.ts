// What scaling gains and costs: throughput by instances, the autoscaler's own use of the machine, and how long a message
// waits for a process. Workers are real processes, the broker is the embedded one. BENCH_ONLY takes some of the parts:
// `BENCH_ONLY=cpu,io npm run bench -- scaling`.
import { autoscalerCost, idleCost } from './scaling/cost.ts'
import { burst, coldStart } from './scaling/delay.ts'
import { cpuBound, ioBound } from './scaling/throughput.ts'
import { allMet } from './verdict.ts'

const PARTS = { cpu: cpuBound, io: ioBound, autoscaler: autoscalerCost, idle: idleCost, cold: coldStart, burst }

/** Prints what it measures. @returns whether all targets were met */
export async function bench(): Promise<boolean> {
  const names = Object.keys(PARTS) as (keyof typeof PARTS)[]
  const only = process.env.BENCH_ONLY?.split(',') ?? names
  const unknown = only.filter((name) => !(name in PARTS))
  if (unknown.length > 0)
    throw new Error(`BENCH_ONLY: expected some of ${names.join(', ')}; found ${unknown.join(', ')}`)
  for (const name of names.filter((one) => only.includes(one))) {
    console.log(`\n${name}`)
    await PARTS[name]()
  }
  return allMet()
}
