import { availableParallelism } from 'node:os'
import t from 'tap'
import { brokerName, parseConfig } from '../../supervisor/base/config.ts'
import { ConfigError } from '../../supervisor/base/errors.ts'

const KEY = 'sixteen-of-these'
const AMQP_URL = 'amqp://user:secret@localhost:5672'

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    parseConfig(env, '/project')
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
  }
  return []
}

t.test('defaults', async (t) => {
  const { maxInstances, ...config } = parseConfig({ AMQP_URL }, '/project')
  t.ok(maxInstances >= 1 && maxInstances <= availableParallelism() * 8, 'eight for each core at most')
  t.equal(parseConfig({ AMQP_URL, MAX_INSTANCES: '3' }, '/project').maxInstances, 3)
  t.strictSame(config, {
    amqpUrls: [AMQP_URL],
    brokerPort: 5682,
    brokerConnections: undefined,
    port: 4000,
    host: '127.0.0.1',
    apiKeys: [],
    logLevel: 'info',
    dataDir: '/project/data',
    databaseUrl: undefined,
    shutdownTimeout: 30_000,
  })
})

t.test('lists are split at commas, empty values are unset', async (t) => {
  const config = parseConfig(
    { AMQP_URL: `${AMQP_URL}, amqps://other`, API_KEYS: `${KEY}, ${KEY}2,`, PORT: ' ', HOST: '0.0.0.0' },
    '/p',
  )
  t.strictSame(config.amqpUrls, [AMQP_URL, 'amqps://other'])
  t.strictSame(config.apiKeys, [KEY, `${KEY}2`])
  t.equal(config.port, 4000)
})

t.test('every mistake is listed at once, with what was expected and found', async (t) => {
  const problems = problemsOf({
    PORT: '70000',
    HOST: '0.0.0.0',
    LOG_LEVEL: 'loud',
    SHUTDOWN_TIMEOUT: 'soon',
    MAX_INSTANCES: '0',
    DATABASE_URL: 'x:y',
    BROKER_PORT: '0',
    BROKER_CONNECTIONS: '1.5',
    AMQP_URL: ',',
  })
  t.match(problems, [
    /^PORT: expected a port number .*, found '70000'$/,
    /^BROKER_PORT: expected a port number from 1 to 65535, found '0'$/,
    /^BROKER_CONNECTIONS: expected a whole number, 1 or more, found '1.5'$/,
    /^HOST: expected a loopback address .*API_KEYS.*, found '0\.0\.0\.0'$/,
    /^LOG_LEVEL: expected one of trace, .*, found 'loud'$/,
    /^SHUTDOWN_TIMEOUT: expected .*, found 'soon'$/,
    /^MAX_INSTANCES: expected a whole number, 1 or more, found '0'$/,
    /^DATABASE_URL: expected/,
    /^AMQP_URL: expected amqp:\/\/user:password@host:port, found ','$/,
  ])
})

t.test("without AMQP_URL it is the embedded broker, whose port is not the front door's", async (t) => {
  t.strictSame(parseConfig({}, '/p').amqpUrls, [])
  t.match(parseConfig({ BROKER_PORT: '1234' }, '/p'), { brokerPort: 1234 })
  t.match(problemsOf({ PORT: '5682' }), [/^BROKER_PORT: expected another port than PORT, found '5682'$/])
  t.same(problemsOf({ PORT: '5682', AMQP_URL }), [])
})

t.test('a password is never repeated', async (t) => {
  for (const url of [
    'http://u:secret@host',
    'amqp://u:secret@:5672',
    'amqp://u:sec%ret@ho st',
    'u:secret@host',
    'amqp://app:2024/sec@host:5672',
    'amqp://app:2024#sec@host',
  ]) {
    const problems = problemsOf({ AMQP_URL: url })
    t.equal(problems.length, 1, url)
    t.notMatch(problems.join(), /sec/)
  }
  t.equal(brokerName('amqp://u:secret@host/vhost?heartbeat=1'), 'amqp://host:5672/vhost')
  t.equal(brokerName('amqps://host'), 'amqps://host:5671')
})

t.test('a key is long, and of characters that a header can have', async (t) => {
  const make = /Make one: node -p "crypto\.randomBytes\(24\)\.toString\('base64url'\)"$/
  const refused: Record<string, [string, RegExp]> = {
    'a short one': ['x', /^API_KEYS: expected 16 characters or more, found 1\. /],
    'one that everyone knows': ['changeme', /found 8\. /],
    'one less than enough': [KEY.slice(1), /found 15\. /],
    'a blank inside': ['two words of secret', /^API_KEYS: expected printable ASCII without blanks/],
    'a tab inside': ['two\twords-of-secret', /without blanks/],
    'another alphabet': ['schlüssel-schlüssel', /printable ASCII/],
    'a control character': ['secret-secret-\u0007-secret', /printable ASCII/],
    'a colon, for scopes': ['ci:read+invoke:secret-secret-secret', /without a colon/],
    'the second one': [`${KEY},secret`, /^API_KEYS \(entry 2\): expected 16 characters or more, found 6\. /],
  }
  for (const [what, [keys, expected]] of Object.entries(refused)) {
    const problems = problemsOf({ AMQP_URL, API_KEYS: keys })
    t.match(problems, [expected], what)
    t.match(problems, [make], what)
    t.equal(problems.length, 1, what)
    for (const key of keys.split(','))
      if (key !== KEY && key.length > 1) t.notOk(problems.join().includes(key), `${what} is not repeated`)
  }
  t.same(problemsOf({ AMQP_URL, HOST: '0.0.0.0', API_KEYS: 'x' }).length, 1, 'and HOST is no other mistake')
  t.same(problemsOf({ AMQP_URL, API_KEYS: `${KEY},!"#$%&'()*+-./;<=>?@[]^_{|}~` }), [])
})
