// A run: measures one scenario after the other, and tells what came out.
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { aborted } from '../../supervisor/base/aborted.ts'
import { type Command, SCALING } from './command.ts'
import { guarded } from './guarded.ts'
import { measureScenario } from './measure-scenario.ts'
import { PROFILE_VARIABLE } from './peers/process.ts'
import { createProgress, type Progress } from './progress.ts'
import { gapsOf } from './report/gaps.ts'
import { countOutcomes } from './report/judge.ts'
import { profileLines } from './report/profile.ts'
import { reportOf } from './report/results.ts'
import { resultTable } from './report/table.ts'
import type { Result } from './scenario.ts'
import { loadScenario } from './scenarios/index.ts'
import { createServices } from './services.ts'
import { compareWithBaseline, saveBaseline, writeResults } from './store.ts'
import { withTeardown } from './teardown.ts'

/** Milliseconds for the start of a scenario or a sample: of a small run, and of any other. */
const LIMITS = [120_000, 1_200_000] as const

interface Measured {
  readonly results: readonly Result[]
  /** Scenarios that have failed. */
  readonly failed: readonly string[]
  /** What has not been shown. */
  readonly gaps: readonly string[]
}

/** @returns whether all went well: no target missed, or in a small run no figure missing, and no failure */
export async function bench(command: Command, signal: AbortSignal): Promise<boolean> {
  const { names, rounds, shrink, size, save, folder } = command
  const scenarios = names.filter((name) => name !== SCALING)
  const progress = createProgress()
  const { results, failed, gaps } = await measureAll(scenarios, command, signal, progress)
  progress.end()

  let isFine = failed.length === 0
  if (results.length > 0) {
    console.log('')
    const report = reportOf(results, rounds)
    const written = writeResults(folder, report)
    const counts = countOutcomes(results)
    if (shrink > 1) for (const gap of gaps) console.log(`MISSING  ${gap}`)
    else {
      console.log(`Targets: ${counts.ok} met, ${counts.MISSED} missed, ${counts['not measured']} not measured`)
      const isOneSize = size !== undefined
      for (const line of compareWithBaseline(report, scenarios, { isOneSize })) console.log(line)
    }
    console.log(`Written: ${written.join(', ')}`)
    if (save) console.log(`Saved: ${saveBaseline(report).join(', ')}`)
    isFine &&= shrink > 1 ? gaps.length === 0 : counts.MISSED === 0
  }
  if (failed.length > 0) console.log(`Failed: ${failed.join(', ')}`)
  return (!names.includes(SCALING) || (await scaling(signal))) && isFine
}

async function measureAll(
  names: readonly string[],
  { rounds, shrink, size, profile, folder }: Command,
  signal: AbortSignal,
  progress: Progress,
): Promise<Measured> {
  const results: Result[] = []
  const failed: string[] = []
  const gaps: string[] = []
  const interrupted = aborted(signal).then(() => Promise.reject(signal.reason))
  interrupted.catch(() => {})

  function say(text: string): void {
    progress.clear()
    console.log(text)
  }

  await withTeardown(async function measure(t) {
    const services = createServices(t, {
      shrink,
      only: size,
      say(line) {
        gaps.push(line)
        say(line)
      },
    })
    for (const [i, name] of names.entries()) {
      const onProgress = (what: string) => progress.show(`${name} (${i + 1} of ${names.length}): ${what}`)
      let sides: readonly string[] = []
      const limit = shrink > 1 ? LIMITS[0] : LIMITS[1]
      const guard = { limit, interrupted, onSides: (taking: readonly string[]) => (sides = taking) }
      const profiles = resolve(folder, 'profiles', name)
      if (profile) {
        // Those of a run before are not of this one.
        rmSync(profiles, { recursive: true, force: true })
        process.env[PROFILE_VARIABLE] = profiles
      }
      try {
        const scenario = guarded(await loadScenario(name), guard)
        const result = await measureScenario(scenario, services, { rounds, onProgress })
        results.push(result)
        gaps.push(...gapsOf(result, sides, Math.min(rounds, scenario.rounds ?? rounds)))
        say(['', ...resultTable(result), ...(profile ? ['', ...profileLines(profiles)] : [])].join('\n'))
      } catch (error) {
        signal.throwIfAborted()
        failed.push(name)
        say(`\n${name} has failed: ${(error as Error).stack ?? error}`)
      }
    }
  })
  return { results, failed, gaps }
}

/** It prints its own verdicts. */
async function scaling(signal: AbortSignal): Promise<boolean> {
  // What it has started ends when this process does.
  void aborted(signal).then(() => process.exit(1))
  const { bench } = await import('./scaling.ts')
  try {
    return await bench()
  } catch (error) {
    console.log(`\n${SCALING} has failed: ${(error as Error).stack ?? error}`)
    return false
  }
}
