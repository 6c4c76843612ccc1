import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Scale } from '../../../supervisor/base/scale.ts'
import { randomFrom } from '../../helpers/random.ts'
import type { Scenario, Workload } from './workload.ts'

/** Its recording lies beside this file's source, and is not compiled. */
const RECORDED = join(import.meta.dirname, '../../../../test/scaling/simulator/recorded.json')

/** The defaults of `scale`. */
const SCALE: Scale = { min: 1, max: 4, messagesPerInstance: 100, cooldown: 60_000 }
const FROM_ZERO: Scale = { ...SCALE, min: 0 }

type Rate = Workload['rate']

function scenario(name: string, what: string, seconds: number, scale: Scale, rate: Rate): Scenario {
  // 50 messages a second an instance.
  const workload = { worker: name, scale, concurrency: 10, serviceMs: 200, rate }
  return { name, what, seconds, ceiling: 8, workloads: [workload] }
}

const steady = scenario('steady', '40 messages a second, which one instance does', 600, SCALE, () => 40)

const high = scenario(
  'high',
  '120 messages a second, for which two instances are too few and three too many',
  660,
  SCALE,
  (second) => (second < 540 ? 120 : 0),
)

const ramp = scenario('ramp', 'up to 150 messages a second within 5 minutes, and down again', 720, SCALE, (second) =>
  second < 600 ? 150 * (1 - Math.abs(second - 300) / 300) : 0,
)

const burst = scenario(
  'burst',
  '5,000 messages within 10 s out of nothing',
  180,
  FROM_ZERO,
  between(30, 40, () => 500),
)

const sawtooth = scenario(
  'sawtooth',
  'eight times up to 120 messages a second within a minute',
  600,
  SCALE,
  (second) => (second < 480 ? 2 * (second % 60) : 0),
)

const night = scenario(
  'night',
  'a day, a minute an hour: busy from 8 to 20, nothing at night',
  1_440,
  FROM_ZERO,
  (s) => {
    const hour = s / 60
    return hour > 8 && hour < 20 ? 140 * Math.sin((Math.PI * (hour - 8)) / 12) ** 2 : 0
  },
)

/** A modest worker beside one that wants all there is. */
const crowded: Scenario = {
  name: 'crowded',
  what: 'a flood for one worker and 60 messages a second for its neighbour, under a ceiling of 4',
  seconds: 420,
  ceiling: 4,
  workloads: [
    {
      worker: 'flooded',
      scale: { ...SCALE, max: 6 },
      concurrency: 10,
      serviceMs: 200,
      rate: between(30, 90, () => 300),
    },
    {
      worker: 'modest',
      scale: { ...SCALE, min: 0 },
      concurrency: 10,
      serviceMs: 200,
      rate: between(60, 240, () => 60),
    },
  ],
}

/** More workers than places, half of them with steady work: the others have a turn as well. */
const turns: Scenario = {
  name: 'turns',
  what: 'three workers with steady work and three with two messages now and then, under a ceiling of 3',
  seconds: 240,
  ceiling: 3,
  workloads: [workerOf('busy-1', 20), workerOf('busy-2', 20), workerOf('busy-3', 20), ...rareOnes()],
}

function workerOf(worker: string, rate: number): Workload {
  const scale = { ...SCALE, min: 0, max: 1 }
  return { worker, scale, concurrency: 10, serviceMs: 200, rate: between(5, 125, () => rate) }
}

function rareOnes(): Workload[] {
  return ['rare-1', 'rare-2', 'rare-3'].map((worker) => ({
    ...workerOf(worker, 0),
    rate: (second) => (second < 120 && Math.floor(second) % 40 === 10 ? 2 : 0),
  }))
}

/** Bursts and lulls of random lengths and heights. The same ones for the same seed. */
export function randomScenario(seed: number): Scenario {
  const random = randomFrom(seed)
  const pick = (from: number, to: number) => from + Math.floor(random() * (to - from + 1))
  const min = pick(0, 2)
  const scale = {
    min,
    max: pick(Math.max(min, 1), 6),
    messagesPerInstance: pick(5, 200),
    cooldown: pick(0, 30) * 1_000,
  }
  const concurrency = pick(1, 20)
  const serviceMs = pick(5, 400)
  const capacity = (scale.max * concurrency * 1_000) / serviceMs
  const busy = 180
  const rates: number[] = []
  while (rates.length < busy) {
    // At most what all instances do, so that the end is known; and at times nothing.
    const height = random() < 0.3 ? 0 : Math.min(random() * capacity * 0.8, 400)
    for (let left = pick(1, 30); left > 0; left--) rates.push(height * (0.5 + random()))
  }
  const what = `random, seed ${seed}: ${scale.min} to ${scale.max} instances, ${scale.messagesPerInstance} messages each`
  return {
    name: 'random',
    what,
    // What is left when the last message has come takes a while, and so does the cooldown.
    seconds: busy + 60 + scale.cooldown / 1_000,
    ceiling: 8,
    workloads: [{ worker: 'random', scale, concurrency, serviceMs, rate: fromList(rates.slice(0, busy)) }],
  }
}

/** Arrivals as they were counted, second by second: a JSON file `{ "origin": "…", "arrivals": [12, 9, …] }`. */
export function recordedScenario(file = RECORDED): Scenario {
  const { origin, arrivals } = JSON.parse(readFileSync(file, 'utf8')) as { origin: string; arrivals: number[] }
  return scenario('recorded', origin, arrivals.length + 120, FROM_ZERO, fromList(arrivals))
}

/**
 * The one that is run for real as well: a burst, a pause that lasts until everything sleeps, and a ramp.
 * @param seconds 120 in full; in less time all of it is faster, but not the handlers and the processes' start
 */
export function realScenario(seconds: number): Scenario {
  const pace = seconds / 120
  const scale = { min: 0, max: 3, messagesPerInstance: Math.round(60 * pace), cooldown: Math.round(10_000 * pace) }
  const rate: Rate = (second) => {
    const at = second / pace
    if (at < 20) return 50
    return at >= 60 && at < 100 ? (35 * (at - 60)) / 40 : 0
  }
  return {
    name: 'real',
    what: 'a burst, a pause and a ramp, as `npm run test:scaling-real` has them for real',
    seconds,
    ceiling: 4,
    // 20 messages a second an instance: three for the burst, two for the ramp's end, neither only just.
    workloads: [{ worker: 'job', scale, concurrency: 2, serviceMs: 100, rate }],
  }
}

function between(from: number, to: number, rate: Rate): Rate {
  return (second) => (second >= from && second < to ? rate(second) : 0)
}

function fromList(rates: readonly number[]): Rate {
  return (second) => rates[Math.floor(second)] ?? 0
}

/** All of them, by name. */
export function scenarios(): Map<string, Scenario> {
  const all = [
    steady,
    high,
    ramp,
    burst,
    sawtooth,
    night,
    crowded,
    turns,
    randomScenario(9),
    recordedScenario(),
    realScenario(120),
  ]
  return new Map(all.map((one) => [one.name, one]))
}
