import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { availableParallelism, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { APP_VARIABLE, mayHave } from './app-env.ts'
import { brokerFolder, obtainCredentials } from './broker-credentials.ts'
import { folderOf, ownBrokerUrl } from './broker-socket.ts'
import { DURATION_FORMAT, MAX_TIMER_MS, parseDuration } from './durations.ts'
import { ConfigError } from './errors.ts'
import { LOG_LEVELS } from './log.ts'

/** What the environment says, checked. See the README's table for each variable's meaning and default. */
export interface Config {
  /** The broker's nodes, tried in turn. Holds passwords: never log it, use `brokerName`. */
  readonly amqpUrls: readonly string[]
  /** Where the embedded broker listens, on the loopback interface. */
  readonly brokerPort: number
  /** How many clients it serves at once; undefined: as many as it finds right. */
  readonly brokerConnections: number | undefined
  readonly port: number
  readonly host: string
  /** Bearer tokens that the front door accepts; empty: it asks for none. */
  readonly apiKeys: readonly string[]
  readonly logLevel: string
  /** Absolute path. */
  readonly dataDir: string
  readonly databaseUrl: string | undefined
  /** Milliseconds that running handlers and requests get to finish once a process is told to stop. */
  readonly shutdownTimeout: number
  /** How many worker processes the autoscaler lets run on this machine. */
  readonly maxInstances: number
}

/** Characters of an API key: what is shorter can be guessed. */
const MIN_KEY_LENGTH = 16
const MAKE_KEY = `Make one: node -p "crypto.randomBytes(24).toString('base64url')"`

/** Bytes that a worker's process is taken to need, with room for what it does. */
const INSTANCE_BYTES = 100 * 1024 * 1024
/** Instances for each core, most of which wait for something most of the time. */
const INSTANCES_PER_CORE = 8

/**
 * The configuration of this process: its environment, completed by a `.env` file in the folder `root`. Where that names
 * no broker, `amqpUrls` is the embedded one's, with the credentials of its file in `DATA_DIR`.
 * @throws ConfigError; StartupError for a file of credentials that can't be used
 */
export function loadConfig(root: string = process.cwd()): Config {
  const file = resolve(root, '.env')
  if (existsSync(file)) loadEnvFile(file)
  const config = parseConfig(process.env, root)
  if (config.amqpUrls.length > 0) return config
  const folder = brokerFolder(config.dataDir)
  return { ...config, amqpUrls: [ownBrokerUrl(obtainCredentials(folder), folder, config.brokerPort)] }
}

// Variables that are set already win over the file's. What is not for this process stays out of it.
function loadEnvFile(file: string): void {
  const app = process.env[APP_VARIABLE]
  for (const [name, value] of Object.entries(parseEnv(readFileSync(file, 'utf8')))) {
    if (process.env[name] === undefined && (app === undefined || mayHave(app, name))) process.env[name] = value
  }
}

/**
 * Checks an environment. Without `AMQP_URL`, `amqpUrls` is empty. `others` are mistakes found elsewhere, to be listed as well.
 * @throws ConfigError that lists every mistake at once
 */
export function parseConfig(env: NodeJS.ProcessEnv, root: string, others: readonly string[] = []): Config {
  const problems = [...others]

  const value = (name: string): string | undefined => env[name]?.trim() || undefined
  const expect = (name: string, expected: string, found = value(name)) =>
    problems.push(`${name}: expected ${expected}, found ${found === undefined ? 'nothing' : `'${found}'`}`)

  const port = Number(value('PORT') ?? 4000)
  if (!isPort(port)) expect('PORT', 'a port number from 0 to 65535')

  // 0, a free one, is of no use: the other processes would not know which.
  const brokerPort = Number(value('BROKER_PORT') ?? 5682)
  if (!isPort(brokerPort) || brokerPort === 0) expect('BROKER_PORT', 'a port number from 1 to 65535')

  const said = value('BROKER_CONNECTIONS')
  const brokerConnections = said === undefined ? undefined : Number(said)
  if (brokerConnections !== undefined && !(Number.isInteger(brokerConnections) && brokerConnections > 0)) {
    expect('BROKER_CONNECTIONS', 'a whole number, 1 or more')
  }

  const host = value('HOST') ?? '127.0.0.1'
  const apiKeys = listOf(value('API_KEYS'))
  for (const [index, key] of apiKeys.entries()) {
    const problem = apiKeyProblem(key)
    if (problem) problems.push(`API_KEYS${apiKeys.length > 1 ? ` (entry ${index + 1})` : ''}: ${problem}. ${MAKE_KEY}`)
  }
  // The other processes don't listen, and don't get the keys.
  const listens = [undefined, 'front-door'].includes(env[APP_VARIABLE])
  if (listens && apiKeys.length === 0 && !isLoopback(host)) {
    expect('HOST', 'a loopback address (127.0.0.1, ::1, localhost) as long as API_KEYS is not set', host)
  }

  const logLevel = value('LOG_LEVEL') ?? 'info'
  if (!(LOG_LEVELS as readonly string[]).includes(logLevel)) expect('LOG_LEVEL', `one of ${LOG_LEVELS.join(', ')}`)

  const shutdownTimeout = parseDuration(value('SHUTDOWN_TIMEOUT') ?? '30s')
  if (shutdownTimeout === undefined || shutdownTimeout > MAX_TIMER_MS) expect('SHUTDOWN_TIMEOUT', DURATION_FORMAT)

  const maxInstances = Number(value('MAX_INSTANCES') ?? defaultMaxInstances())
  if (!Number.isInteger(maxInstances) || maxInstances < 1) expect('MAX_INSTANCES', 'a whole number, 1 or more')

  const databaseUrl = value('DATABASE_URL')
  if (databaseUrl !== undefined && !/^(libsql|wss?|https?|file):/.test(databaseUrl)) {
    // The value may hold a token: it is not repeated.
    expect('DATABASE_URL', "a libSQL URL that starts with 'libsql:', 'https:', 'http:' or 'file:'", 'another one')
  }

  const amqpUrls = listOf(value('AMQP_URL'))
  if (amqpUrls.length === 0 && value('AMQP_URL') !== undefined) expect('AMQP_URL', 'amqp://user:password@host:port')
  if (amqpUrls.length === 0 && brokerPort === port) expect('BROKER_PORT', 'another port than PORT', String(port))
  for (const [index, url] of amqpUrls.entries()) {
    const problem = amqpUrlProblem(url)
    if (problem) problems.push(`AMQP_URL${amqpUrls.length > 1 ? ` (entry ${index + 1})` : ''}: ${problem}`)
  }

  if (problems.length > 0) throw new ConfigError(problems)
  return {
    amqpUrls,
    brokerPort,
    brokerConnections,
    port,
    host,
    apiKeys,
    logLevel,
    dataDir: resolve(root, value('DATA_DIR') ?? 'data'),
    databaseUrl,
    shutdownTimeout: shutdownTimeout as number,
    maxInstances,
  }
}

/** Eight a core, as long as half of the memory holds them. */
function defaultMaxInstances(): number {
  const fitting = Math.floor(totalmem() / 2 / INSTANCE_BYTES)
  return Math.max(1, Math.min(availableParallelism() * INSTANCES_PER_CORE, fitting))
}

/** A broker's URL without its password and parameters, for logs and errors. */
export function brokerName(url: string): string {
  const folder = folderOf(url)
  if (folder !== undefined) return `unix:${folder}`
  const { protocol, hostname, port, pathname } = new URL(url)
  return `${protocol}//${hostname}:${port || (protocol === 'amqps:' ? 5671 : 5672)}${pathname === '/' ? '' : pathname}`
}

/** Whether only this machine can reach a server that listens on the host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 65_535
}

// A key is a secret, a wrong one as well: what was found is described, never repeated.
function apiKeyProblem(key: string): string | undefined {
  if (!/^[\x21-\x7e]*$/.test(key)) return 'expected printable ASCII without blanks, found another character'
  // The form `name:scope+scope:secret` is kept for keys with scopes, which there are none of yet.
  if (key.includes(':')) return 'expected a key without a colon, found one with a colon, which is kept for scopes'
  if (key.length < MIN_KEY_LENGTH) return `expected ${MIN_KEY_LENGTH} characters or more, found ${key.length}`
  return undefined
}

// A URL may hold a password: what was found is described, never repeated.
function amqpUrlProblem(url: string): string | undefined {
  if (!/^amqps?:\/\//.test(url)) return "expected a URL that starts with 'amqp://' or 'amqps://', found another one"
  if (!URL.canParse(url)) {
    return 'expected amqp://user:password@host:port, found one that is not a URL. Percent-encode special characters in the password'
  }
  // An unescaped '/', '?' or '#' in a password makes the rest of it a path, which messages would repeat.
  const { pathname, search, hash } = new URL(url)
  if (hash || `${pathname}${search}`.includes('@')) {
    return "expected amqp://user:password@host:port, found an '@' or '#' behind the host. Percent-encode special characters in the password"
  }
  if (!new URL(url).hostname) return 'expected amqp://user:password@host:port, found one without a host'
  return undefined
}

function listOf(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean)
}
