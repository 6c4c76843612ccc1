import { startWatchedBroker, type WatchedBroker } from '../../helpers/watched-broker.ts'
import { method } from './bytes.ts'
import type { Account } from './client.ts'
import { type Dice, diceFrom } from './dice.ts'
import { drain } from './drain.ts'
import { createLedger } from './ledger.ts'
import { MISDEEDS } from './misdeeds.ts'
import { openPlayer, type Player, type Stage } from './player.ts'
import { STEPS } from './steps.ts'
import { drawNames } from './values.ts'
import { startWitness, type Witness, type WitnessBook } from './witness.ts'

export interface RoundOptions {
  readonly seed: number
  readonly steps: number
  /** Empty; the store of this round. */
  readonly folder: string
}

/** What came of a round. */
export interface Round {
  /** What should not be. */
  readonly faults: readonly string[]
  /** Different messages. */
  readonly messages: number
  readonly restarts: number
  /** Milliseconds of the broker's longest turn; and its memory at most, in MB. */
  readonly turn: number
  readonly peak: number
  /** Milliseconds of the witness's longest round. */
  readonly witness: number
}

const PLAYERS = 4
/** Steps between two looks at whether all is well. */
const BATCH = 25
const RESTART_CHANCE = 0.03
const MISDEED_CHANCE = 0.05
/** Milliseconds in which a broker handles a batch of steps, on any machine. */
const HANG = 60_000

/** Plays a random load on a new broker, which is killed and started again in between, and looks at all that it says. */
export async function playRound({ seed, steps, folder }: RoundOptions): Promise<Round> {
  // Each step begins anew: answers that come sooner or later change what it does, and not what the later ones do.
  const [dice, outline] = [diceFrom(seed), diceFrom(~seed)]
  const faults: string[] = []
  const stage = newStage(dice, faults)
  const book: WitnessBook = { last: 0, owed: new Set() }
  let broker = await startWatchedBroker({ folder })
  let account = accountOf(broker)
  stage.user = account.user
  let players: Player[] = []
  let witness = startWitness(account, book, stage.onFault)
  let [restarts, turn, peak, longest, done] = [0, 0, 0, 0, 0]

  async function look(): Promise<void> {
    const report = await broker.report()
    turn = Math.max(turn, report.turn)
    peak = Math.max(peak, report.peak)
    longest = Math.max(longest, witness.longest)
  }

  async function restart(): Promise<void> {
    await look()
    await endOf(broker, witness, outline.chance(0.6), faults)
    broker = await startWatchedBroker({ folder, port: account.port })
    account = accountOf(broker)
    players = []
    restarts++
    witness = startWitness(account, book, stage.onFault)
  }

  try {
    while (done < steps && faults.length === 0) {
      for (let i = 0; i < BATCH; i++, done++) step(stage, done, players, account)
      // Sometimes it is killed in the midst of it.
      const isKilled = outline.chance(RESTART_CHANCE)
      if (isKilled && outline.chance(0.5)) await restart()
      await inTime(Promise.all(players.map((player) => player.barrier())), `the answers after step ${done}`)
      if (outline.chance(0.1)) await new Promise((resolve) => setTimeout(resolve, outline.below(40)))
      if (isKilled) await restart()
      faults.push(...broker.faults)
      if (broker.ended !== undefined) throw new Error(broker.ended)
    }
    await restart()
    for (const fault of await inTime(drain(account, stage), 'everything to be fetched')) faults.push(fault)
    await look()
    await witness.end()
    faults.push(...broker.faults)
    await broker.stop()
  } catch (error) {
    faults.push(`after step ${done}: ${broker.ended ?? (error as Error).message}`)
  } finally {
    await broker.kill()
  }
  return { faults, messages: stage.ledger.count, restarts, turn, peak: peak / 2 ** 20, witness: longest }
}

type OwnStage = { -readonly [K in keyof Stage]: Stage[K] }

function newStage(dice: Dice, faults: string[]): OwnStage {
  const onFault = (what: string) => void faults.push(what)
  return { dice, names: drawNames(dice), ledger: createLedger(), user: '', addresses: [], onFault }
}

function accountOf({ url, port }: WatchedBroker): Account {
  const { username, password } = new URL(url)
  return { port, user: decodeURIComponent(username), password: decodeURIComponent(password) }
}

/** Does one thing on one channel of one connection, each opened if it is not there. */
function step(stage: Stage, number: number, players: Player[], account: Account): void {
  const { dice } = stage
  dice.begin(number)
  const place = dice.below(PLAYERS)
  let player = players[place]
  if (!player?.client.isOpen) {
    player = openPlayer(stage, account)
    players[place] = player
  }
  if (dice.chance(0.004)) player.client.cut()
  if (dice.chance(0.01)) player.client.pause()
  else player.client.resume()
  const channel = dice.of(player.channels)
  if (!channel.isOpen) {
    channel.isOpen = true
    player.client.send(method(channel.number, 'channel.open'))
  }
  const frames = dice.weighted(dice.chance(MISDEED_CHANCE) ? MISDEEDS : STEPS)(stage, channel)
  if (frames.length > 0) player.client.send(...frames)
}

/** By SIGKILL, or in good order. */
async function endOf(broker: WatchedBroker, witness: Witness, isKilled: boolean, faults: string[]): Promise<void> {
  if (isKilled) {
    await broker.kill()
    await witness.end()
    return
  }
  await witness.end()
  try {
    await broker.stop()
  } catch (error) {
    faults.push((error as Error).message)
  }
}

async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${HANG} ms for ${what}`)), HANG)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
