// Erlang expressions for private RabbitMQ nodes, by Erlang's own `erl_call`: some 30 milliseconds, where `rabbitmqctl`, which
// starts an Erlang of its own, takes one to two seconds of a processor.
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'

/** It is beside the real `erl`, in a folder that is on no PATH. */
function erlCall(): string {
  const erl = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'erl'))
  const found = erl.find((path) => existsSync(path))
  if (!found) throw new Error('Expected erl on the PATH, found none. Debian has it as erlang-base.')
  return join(dirname(realpathSync(found)), 'erl_call')
}

/**
 * Evaluates an expression in the node of this environment.
 * @param expression without its closing period
 * @returns what it has written
 * @throws Error when the node does not answer, or when the expression fails
 */
export async function evaluate(environment: NodeJS.ProcessEnv, expression: string): Promise<string> {
  // The cookie is read from HOME, which a node in a root folder of its own knows by another name.
  const env = { ...environment, HOME: join(environment.WARREN_ROOT ?? '', environment.HOME ?? '') }
  const name = environment.RABBITMQ_NODENAME ?? ''
  // Without a name of its own it has its user's, and of two with one name a node turns one away.
  const child = spawn(erlCall(), ['-sname', name, '-h', `test-${randomUUID()}`, '-fetch_stdout', '-e'], {
    env,
    stdio: 'pipe',
  })
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  // It can end before it has read its input.
  child.stdin.on('error', () => {})
  // The value is printed as well, but a long one in part.
  child.stdin.end(`begin ${expression} end, done.\n`)
  const [stdout, stderr] = await Promise.race([Promise.all([text(child.stdout), text(child.stderr)]), failed])
  const written = /^(.*)\{ok, done\}\s*$/s.exec(stdout)?.[1]
  if (written === undefined) throw new Error(`${name} could not do ${expression}: ${stdout || stderr}`)
  return written
}

/** The value of an expression that is maps, lists, numbers and binaries, as JSON has it. */
export async function evaluateJson<T>(environment: NodeJS.ProcessEnv, expression: string): Promise<T> {
  return JSON.parse(await evaluate(environment, `io:put_chars(rabbit_json:encode(${expression}))`)) as T
}

/** A text as an Erlang binary. */
export function binary(value: string): string {
  return `<<${Buffer.from(value).join(',')}>>`
}
