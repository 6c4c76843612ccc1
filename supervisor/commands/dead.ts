import { parseArgs } from 'node:util'
import { DEATH_NOTES } from '../base/dead-letter-headers.ts'
import type { DeadLetter, DeadLetterDetails, DeadLetters } from '../base/dead-letters.ts'
import { StartupError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import { table } from '../base/table.ts'

export const DEAD_USAGE = `Usage: warren dead COMMAND

  list [WORKER] [--error NAME] [--limit 50] [--json]
                                    the dead letters, oldest first in each worker
  show ID [--worker WORKER] [--json]
                                    all of one: stack, headers, body
  redrive ID [--worker WORKER] [--to OTHER]
                                    send one back to its worker's queue, or to another worker's
  redrive --all [--worker WORKER [--to OTHER]] [--error NAME]
                                    send back all that match
  purge [--worker WORKER] --yes     remove all for good

WORKER can be an orphan, which no worker file stands for any more, as well: \`warren ps\` lists them.`

/** What the commands write to. */
export interface Output {
  /** For the user, or for a program. */
  print(line: string): void
  /** How far a long run is. */
  progress(line: string): void
  /** A clock in milliseconds that never steps. @default performance.now */
  now?(): number
}

const OPTIONS = {
  worker: { type: 'string' },
  to: { type: 'string' },
  error: { type: 'string' },
  limit: { type: 'string', default: '50' },
  json: { type: 'boolean', default: false },
  all: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
} as const

/** Which options each command takes, and how many words. */
const COMMANDS = {
  list: { options: ['worker', 'error', 'limit', 'json'], words: [0, 1] },
  show: { options: ['worker', 'json'], words: [1, 1] },
  redrive: { options: ['worker', 'to', 'error', 'all'], words: [0, 1] },
  purge: { options: ['worker', 'yes'], words: [0, 0] },
} as const

/** How many letters the list asks for at a time. */
const PAGE = 1_000
/** Milliseconds between two lines of progress. */
const TELL_EVERY = 1_000

/**
 * `warren dead …`.
 * @param open connects; what it gives is not closed here
 * @throws StartupError for arguments that make no sense
 */
export async function runDead(args: string[], open: () => Promise<DeadLetters>, output: Output): Promise<void> {
  const [name = 'help', ...rest] = args
  if (['help', '--help', '-h'].includes(name)) return output.print(DEAD_USAGE)
  if (!Object.hasOwn(COMMANDS, name)) {
    throw usage(`expected a command, found '${name}'${didYouMean(name, Object.keys(COMMANDS))}.\n\n${DEAD_USAGE}`)
  }
  const command = name as keyof typeof COMMANDS
  const { options, words } = COMMANDS[command]
  const picked = Object.fromEntries(options.map((option) => [option, OPTIONS[option]]))
  const { values, positionals } = parseArgs({ args: rest, options: picked, allowPositionals: true })
  const [least, most] = words
  if (positionals.length < least || positionals.length > most) {
    throw usage(`expected as in the list below, found ${positionals.length} words.\n\n${DEAD_USAGE}`)
  }
  const given = values as {
    [K in keyof typeof OPTIONS]?: (typeof OPTIONS)[K]['type'] extends 'string' ? string : boolean
  }
  const { worker, to, error, json = false } = given
  const [word] = positionals

  switch (command) {
    case 'list':
      return list(await open(), { worker: worker ?? word, error, limit: limitOf(given.limit), json }, output)
    case 'show': {
      const letter = await (await open()).get(word as string, worker)
      return output.print(json ? JSON.stringify(letter) : shown(letter))
    }
    case 'redrive':
      if (given.all === (word !== undefined)) throw usage('redrive: expected an ID, or --all, and not both')
      if (word !== undefined) {
        if (error !== undefined) throw usage('redrive: expected --error with --all only')
        const letter = await (await open()).redrive(word, worker, to)
        return output.print(`Sent ${to === undefined ? 'back ' : ''}to worker ${to ?? letter.worker}: ${letter.id}`)
      }
      if (to !== undefined && worker === undefined)
        throw usage('redrive: expected --worker, whose letters go --to another')
      return redriveAll(await open(), { worker, error, to }, output)
    case 'purge': {
      if (!given.yes) throw usage('purge: expected --yes, because what it removes is gone for good')
      const removed = await (await open()).purge(worker)
      return output.print(`Removed ${removed}.`)
    }
  }
}

interface ListOptions {
  worker: string | undefined
  error: string | undefined
  limit: number
  json: boolean
}

async function list(letters: DeadLetters, { worker, error, limit, json }: ListOptions, output: Output): Promise<void> {
  const progress = teller(output)
  let after: string | undefined
  let count = 0
  // A page at a time, each printed before the next one is asked for.
  do {
    const page = await letters.list({ worker, error, limit: Math.min(PAGE, limit - count), after })
    if (json) for (const letter of page.deadLetters) output.print(JSON.stringify(letter))
    else if (page.deadLetters.length > 0)
      output.print(table([...(count === 0 ? [HEADINGS] : []), ...page.deadLetters.map(row)]))
    count += page.deadLetters.length
    after = page.next ?? undefined
    progress(`listed ${count}`)
  } while (after !== undefined && count < limit)
  if (json) return
  if (count === 0) output.print('No dead letters.')
  else if (after !== undefined) output.print(`There are more than these ${count}: --limit ${limit * 10}`)
}

async function redriveAll(letters: DeadLetters, filter: Parameters<DeadLetters['redriveAll']>[0], output: Output) {
  const progress = teller(output)
  const { redriven, skipped } = await letters.redriveAll(filter, (count) => progress(`sent back ${count}`))
  output.print(`Sent back ${redriven}.`)
  for (const worker of skipped) {
    output.print(
      `Left out ${worker}: there is no queue that its dead letters came from and could go back to. To send them to a worker: ` +
        `warren dead redrive --all --worker ${worker} --to WORKER`,
    )
  }
}

function teller({ progress, now = () => performance.now() }: Output): (line: string) => void {
  let last = now()
  return function tell(line) {
    if (now() - last < TELL_EVERY) return
    last = now()
    progress(line)
  }
}

const HEADINGS = ['id', 'worker', 'reason', 'error', 'attempts', 'last failed', 'message']
/** Characters of a text in the table. An id is never cut: it is there to be copied. */
const MAX_CELL = 60

function row({ id, worker, reason, error, attempts, lastFailedAt, message }: DeadLetter): string[] {
  const [line = ''] = (message ?? '-').split('\n')
  const time = lastFailedAt?.replace('T', ' ').replace(/\.\d+Z$/, 'Z')
  const others = [reason, error ?? '-', String(attempts ?? '-'), time ?? '-', line]
  return [id, worker, ...others.map(cut)].map((cell) => printable(cell))
}

function cut(text: string): string {
  return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL - 1)}…` : text
}

function shown({ headers, properties, stack, body, encoding, ...facts }: DeadLetterDetails): string {
  // What Warren has noted is among the facts.
  const others = Object.entries(headers).filter(([name]) => !DEATH_NOTES.has(name))
  return [
    table(Object.entries(facts).map(([name, value]) => [name, printable(String(value ?? '-'))])),
    ...(stack ? ['', 'stack:', printable(stack, true)] : []),
    ...(others.length > 0
      ? ['', 'headers:', printable(JSON.stringify(Object.fromEntries(others), null, 2), true)]
      : []),
    '',
    'properties:',
    printable(JSON.stringify(properties, null, 2), true),
    '',
    encoding === 'utf8' ? 'body:' : 'body, in base64:',
    printable(body, true),
  ].join('\n')
}

/** Without what would move a terminal's cursor or colour it: messages may come from anybody. */
function printable(text: string, lines = false): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (c) => (lines && (c === '\n' || c === '\t') ? c : '?'))
}

function limitOf(value = OPTIONS.limit.default as string): number {
  const limit = Number(value)
  if (Number.isInteger(limit) && limit > 0) return limit
  throw usage(`--limit: expected a number from 1 on, found '${value}'`)
}

function usage(message: string): StartupError {
  return new StartupError('WARREN_USAGE', message)
}
