// `npm run test:growth`: the operations at full size, each on brokers of its own, as rows of docs/broker.md's table.
// Behind them, what the broker takes at sizes that it is made for.
// WARREN_SIZE is the share of the full sizes, WARREN_ONLY part of an operation's name.

import { FOOTPRINTS } from './footprint.ts'
import { growthProblem, mostOf, turnLimit, turnProblem } from './limits.ts'
import { type Cost, growthOf, measureFootprint, measureLarge } from './measure.ts'
import { OPERATIONS } from './operations.ts'

const SHARE = Number(process.env.WARREN_SIZE ?? 1)
const ONLY = process.env.WARREN_ONLY ?? ''
const limit = turnLimit()

console.log('| operation | n | time | each | twice as many | longest turn | memory |')
console.log('| --- | --- | --- | --- | --- | --- | --- |')
for (const operation of OPERATIONS.filter(({ name }) => name.includes(ONLY))) {
  const n = Math.round(operation.sizes[1] * SHARE)
  try {
    const half = await measureLarge(operation, Math.round(n / 2))
    const whole = await measureLarge(operation, n)
    const problems = [growthProblem(operation, [half, whole]), turnProblem(operation, whole, limit)].filter(Boolean)
    if (problems.length > 0) process.exitCode = 1
    console.log(row(operation.name, half, whole, problems.join(', ')))
  } catch (error) {
    process.exitCode = 1
    console.log(`| ${operation.name} | ${n.toLocaleString('en')} | failed: ${error} |`)
  }
}

console.log('\n| at its size | n | found | at most |')
console.log('| --- | --- | --- | --- |')
for (const footprint of FOOTPRINTS.filter(({ name }) => name.includes(ONLY))) {
  const n = Math.round(footprint.n * SHARE)
  const most = mostOf(footprint)
  try {
    const found = await measureFootprint(footprint, n)
    if (found > most) process.exitCode = 1
    const cells = [footprint.name, n.toLocaleString('en'), found.toFixed(), most.toFixed()]
    console.log(
      `| ${cells.slice(0, 2).join(' | ')} | ${cells
        .slice(2)
        .map((cell) => `${cell} ${footprint.unit}`)
        .join(' | ')} |`,
    )
  } catch (error) {
    process.exitCode = 1
    console.log(`| ${footprint.name} | ${n.toLocaleString('en')} | failed: ${error} |`)
  }
}

function row(name: string, half: Cost, whole: Cost, problems: string): string {
  const cells = [
    name,
    whole.n.toLocaleString('en'),
    whole.ms < 10_000 ? `${whole.ms.toFixed()} ms` : `${(whole.ms / 1_000).toFixed(1)} s`,
    `${((whole.ms / whole.n) * 1_000).toFixed(1)} µs`,
    `${growthOf([half, whole]).toFixed(2)} x`,
    `${whole.turn.toFixed()} ms`,
    `${whole.memory.toFixed()} MB`,
  ]
  return `| ${cells.join(' | ')} |${problems && ` ${problems}`}`
}
