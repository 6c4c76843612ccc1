import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import t from 'tap'
import { brokerFolder, obtainCredentials } from '../../supervisor/base/broker-credentials.ts'
import { folderOf, MAX_SOCKET_PATH, ownBrokerUrl, socketPath } from '../../supervisor/base/broker-socket.ts'
import { brokerName } from '../../supervisor/base/config.ts'
import { startBroker } from '../../supervisor/broker/start.ts'
import { openLink } from '../../supervisor/messaging/link.ts'
import { startBrokerProcess } from '../helpers/broker-process.ts'
import { type Teardown, temporaryFolder } from '../helpers/tmp.ts'

const ANOTHER_USER = 65_534
const isRoot = process.geteuid?.() === 0
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

function urlOf(folder: string): string {
  return ownBrokerUrl(obtainCredentials(folder), folder, 1)
}

/** Resolves when a message has gone through. */
async function use(folder: string): Promise<void> {
  const link = await openLink({ url: urlOf(folder), name: 'test' })
  await link.withChannel((channel) => channel.assertQueue('through', { durable: true }))
  await link.close()
}

t.test('the URL names the folder, whatever it is called, and no log shows its password', async (t) => {
  const folder = '/data of/ünï?&=#%/broker'
  const url = ownBrokerUrl({ user: 'u@:', password: 'p/?#' }, folder, 5682)
  t.equal(folderOf(url), folder)
  t.equal(brokerName(url), `unix:${folder}`)
  t.match(new URL(url), { username: 'u%40%3A', password: 'p%2F%3F%23' })
  t.equal(folderOf('amqp://u:p@host:1/v?folder=/x'), undefined, 'one of another broker names none')
})

t.test('a broker serves at its socket, which is its user’s alone, and takes it away', async (t) => {
  const folder = brokerFolder(temporaryFolder(t))
  const broker = await startBroker({ folder })
  await use(folder)
  t.equal(mode(folder), '700')
  t.equal(mode(join(folder, 'socket')), '600')
  await broker.close()
  t.notOk(existsSync(join(folder, 'socket')))
  await t.rejects(openLink({ url: urlOf(folder), name: 'test' }), { code: 'ENOENT' })
})

t.test('what a killed broker has left is replaced', async (t) => {
  const folder = brokerFolder(temporaryFolder(t))
  const killed = await startBrokerProcess({ folder })
  await killed.kill()
  t.ok(existsSync(join(folder, 'socket')))
  await t.rejects(openLink({ url: urlOf(folder), name: 'test' }), { code: 'ECONNREFUSED' })
  const broker = await startBroker({ folder })
  t.teardown(() => broker.close())
  await t.rejects(startBroker({ folder }), { code: 'WARREN_STORE_LOCKED' }, 'while it runs, nobody takes it away')
  await use(folder)
})

t.test('a folder with a long path has its socket elsewhere, in one of its user’s alone', async (t) => {
  const folder = brokerFolder(join(temporaryFolder(t), 'long'.repeat(MAX_SOCKET_PATH / 4)))
  await t.rejects(async () => socketPath(folder), { code: 'ENOENT' })
  obtainCredentials(folder)
  t.throws(() => socketPath(folder), { code: 'ENOENT' }, 'its own would be cut, and name another file')

  const killed = await startBrokerProcess({ folder })
  const path = socketPath(folder)
  t.ok(Buffer.byteLength(path) <= MAX_SOCKET_PATH)
  t.equal(mode(dirname(path)), '700')
  await use(folder)
  await killed.kill()

  const broker = await startBroker({ folder })
  t.equal(socketPath(folder), path, 'the same after a kill: none is left over')
  await use(folder)
  await broker.close()
  t.notOk(existsSync(dirname(path)))
  t.notOk(readdirSync(folder).includes('socket.path'))
})

t.test('where the path to temporary files is long as well, it is in /tmp', async (t) => {
  const long = join(temporaryFolder(t), 'long'.repeat(MAX_SOCKET_PATH / 4))
  const folder = brokerFolder(long)
  obtainCredentials(folder)
  const { TMPDIR } = process.env
  process.env.TMPDIR = long
  t.teardown(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
  })
  const broker = await startBroker({ folder })
  t.match(socketPath(folder), /^\/tmp\/warren-socket-/)
  await use(folder)
  await broker.close()
  const temporary = await startBroker()
  t.teardown(() => temporary.close())
  t.pass('and a broker in a temporary folder needs none')
})

t.test('a folder that others may write to is made right by its broker, and refused by clients', async (t) => {
  const folder = temporaryFolder(t)
  chmodSync(folder, 0o775)
  obtainCredentials(folder)
  t.throws(() => socketPath(folder), { code: 'WARREN_BROKER_SOCKET', message: /nobody but user .* mode 775/ })
  const broker = await startBroker({ folder })
  t.teardown(() => broker.close())
  t.equal(mode(folder), '755', 'what others may read stays so')
  await use(folder)
})

t.test(
  'in a folder of another user nobody is told the password',
  { skip: !isRoot && 'only root can give a folder away' },
  async (t) => {
    const heard = { bytes: 0 }
    const folder = brokerFolder(temporaryFolder(t))
    const url = urlOf(folder)
    await listen(t, join(folder, 'socket'), heard)
    chownSync(folder, ANOTHER_USER, ANOTHER_USER)
    await t.rejects(openLink({ url, name: 'test' }), {
      code: 'WARREN_BROKER_SOCKET',
      message: new RegExp(`Expected ${folder} .* found user ${ANOTHER_USER} as its owner`),
    })

    // Nor where the file that says where the socket is leads to such a folder.
    const elsewhere = join(temporaryFolder(t), 'elsewhere')
    mkdirSync(elsewhere, { mode: 0o700 })
    await listen(t, join(elsewhere, 'socket'), heard)
    chownSync(elsewhere, ANOTHER_USER, ANOTHER_USER)
    chownSync(folder, process.geteuid?.() ?? 0, 0)
    writeFileSync(join(folder, 'socket.path'), `${join(elsewhere, 'socket')}\n`)
    await t.rejects(openLink({ url, name: 'test' }), {
      code: 'WARREN_BROKER_SOCKET',
      message: `Expected ${elsewhere} `,
    })
    t.equal(heard.bytes, 0)

    // A broker of that folder does not take over what is not its own.
    const broker = await startBroker({ folder })
    t.teardown(() => broker.close())
    await use(folder)
    t.ok(existsSync(elsewhere) && readFileSync(join(folder, 'credentials.json')).length > 0)
  },
)

function listen(t: Teardown, path: string, heard: { bytes: number }): Promise<Server> {
  const server = createServer((socket) => socket.on('data', ({ length }) => (heard.bytes += length)))
  t.teardown(() => server.close())
  return new Promise((resolve) => server.listen(path, () => resolve(server)))
}
