// What `npm run bench` is told.
import { parseArgs } from 'node:util'
import { didYouMean } from '../../supervisor/base/suggest.ts'

/** What a run without names leaves out. */
export const SCALING = 'scaling'

const SMALL = 200
const ROUNDS = 5

export interface Command {
  readonly names: readonly string[]
  readonly rounds: number
  /** How much smaller everything is than in a full run. */
  readonly shrink: number
  readonly save: boolean
  /** The only size of messages that is measured, where a scenario has several: '64 kB'. */
  readonly size: string | undefined
  /** Whether what each process did with its time is told too. */
  readonly profile: boolean
  /** Where the results go. */
  readonly folder: string
}

/**
 * @param known the scenarios that there are, beside `scaling`
 * @returns undefined where help is asked for
 * @throws Error that says what was expected and what was found
 */
export function parseCommand(args: readonly string[], known: readonly string[]): Command | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      small: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      size: { type: 'string' },
      profile: { type: 'boolean', default: false },
      folder: { type: 'string', default: 'data/bench' },
      help: { type: 'boolean', default: false },
    },
  })
  const { small, save, size, profile, folder, help } = values
  if (help) return undefined
  const rounds = values.rounds === undefined ? (small ? 1 : ROUNDS) : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds: expected a whole number from 1 on, found '${values.rounds}'`)
  }
  const names = [...known, SCALING]
  const unknown = positionals.filter((name) => !names.includes(name))
  if (unknown.length > 0) {
    const found = unknown.map((name) => `'${name}'${didYouMean(name, names)}`)
    throw new Error(`expected scenarios out of ${names.join(', ')}; found ${found.join(', ')}`)
  }
  if (small && save) throw new Error('--save: the figures of a small run mean nothing, it is refused with --small')
  if (profile && save) throw new Error('--save: profiling slows everything down, it is refused with --profile')
  if (size !== undefined && save) throw new Error('--save: the baseline has all sizes, it is refused with --size')
  if (small && positionals.includes(SCALING)) throw new Error(`--small: '${SCALING}' has no small run`)
  return {
    // In the order in which they are known, each once.
    names: positionals.length > 0 ? names.filter((name) => positionals.includes(name)) : known,
    rounds,
    shrink: small ? SMALL : 1,
    save,
    size,
    profile,
    folder,
  }
}

export function usage(known: readonly string[]): string {
  return `npm run bench -- [NAME…] [--rounds N] [--size S] [--small] [--save] [--profile]

Measures Warren beside its peers, and fails if a target is missed.

  NAME         a scenario. Without a name, these run, for the better part of an hour:
${listed(known)}
               and only if it is named, because it takes long by itself: ${SCALING}
  --rounds N   how often each side is measured, in turn; ${ROUNDS} if not given
  --size S     of consume and publish only this size of messages: 256B, 4kB or 64kB
  --small      a ${SMALL}th of everything, and one round: whether it works, not how fast it is
  --save       what was measured also becomes the baseline, test/bench/baseline.json, and docs/benchmark.svg
  --profile    also tells what each process did with its time, and leaves the profiles in the folder
  --folder F   where results.json and chart.svg go; data/bench if not given`
}

const IN_LINE = 7

function listed(names: readonly string[]): string {
  const lines = Array.from({ length: Math.ceil(names.length / IN_LINE) }, (_, i) => {
    return names.slice(i * IN_LINE, (i + 1) * IN_LINE).join(', ')
  })
  return lines.map((line) => `                 ${line}`).join('\n')
}
