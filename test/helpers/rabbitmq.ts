import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { evaluate } from './erlang.ts'
import { freePort } from './ports.ts'
import { commandIn, privateAdmin, type RabbitmqAdmin } from './rabbitmq-admin.ts'
import { removeFolder, type Teardown } from './tmp.ts'
import { until } from './until.ts'

/** A broker that a test may stop, start and kill, as far as every kind of broker can. */
export interface Broker {
  /** For test names: 'RabbitMQ 3.10.8'. */
  readonly name: string
  /** Where it listens, credentials included; the same after a restart. */
  readonly url: string
  /** Ends it in good order; its data stays. Resolves when it has ended. */
  stop(): Promise<void>
  /** Starts it again, with its data. Resolves when it takes connections. */
  start(): Promise<void>
  /** Ends it without a chance to tidy up; its data stays. Resolves when it has ended. */
  kill(): Promise<void>
}

/** A RabbitMQ node that only its test knows of. */
export interface RabbitmqNode extends Broker {
  readonly port: number
  /** Of its process, while it runs. */
  readonly pid: number
  readonly admin: RabbitmqAdmin
  /** Where all that it writes is; removed when it is closed. */
  readonly folder: string
  /** What `privateAdmin` in another process needs. */
  readonly environment: NodeJS.ProcessEnv
  /** Stops its process for a while without ending it: peers hear nothing, not even heartbeats. */
  suspend(): void
  resume(): void
  /** Ends it and its epmd, and removes its folder. Happens also when this process ends in any way, SIGKILL included. */
  close(): Promise<void>
}

/** The folder of RabbitMQ's own scripts on this machine, or undefined where it is not installed. */
export function rabbitmqScripts(): string | undefined {
  const path = (process.env.PATH ?? '').split(delimiter)
  // Debian has it in sbin, which is not on the PATH of ordinary users.
  for (const folder of [...path, ...path.map((folder) => folder.replace(/\/bin$/, '/sbin'))]) {
    try {
      const found = join(folder, 'rabbitmq-server')
      accessSync(found, constants.X_OK)
      // Debian's command is a wrapper that insists on user rabbitmq and its folders. The real scripts, which run as
      // any user, are beside the wrapper; everywhere else the command is the real script.
      return dirname(realpathSync(found))
    } catch {
      // Not in this folder.
    }
  }
  return undefined
}

export interface RabbitmqOptions {
  /**
   * The root folder of another Debian whose RabbitMQ to start, instead of this machine's: see install-rabbitmq.sh. Needs
   * the right to `chroot`.
   */
  root?: string | undefined
  /** A running node of the same version, whose cluster it joins. That node has to be closed last. */
  join?: RabbitmqNode
  /** More arguments for Erlang. */
  erlang?: string
}

/** Starts a private node; closed when the test ends. */
export async function startRabbitmq(t: Teardown, options?: RabbitmqOptions): Promise<RabbitmqNode> {
  const node = await launchRabbitmq(options)
  t.teardown(node.close)
  return node
}

/** Erlang's file for it, in HOME. */
const COOKIE = '.erlang.cookie'

// Reads which processes there are, the latest line counts. Its input ends when the process that writes it ends.
const HEIR = 'while read -r line; do pids=$line; done; [ -z "$pids" ] || kill -KILL $pids; rm -rf "$0"'

/**
 * Starts a private node: a name, ports, a folder, an Erlang cookie and an epmd of its own, on loopback only, without
 * plugins. Takes 5 to 10 seconds. The caller closes it.
 */
export async function launchRabbitmq({ root, join: peer, erlang = '' }: RabbitmqOptions = {}): Promise<RabbitmqNode> {
  const scripts = root ? '/usr/lib/rabbitmq/bin' : rabbitmqScripts()
  if (!scripts) throw new Error('Expected rabbitmq-server on the PATH, found none. Debian has it as rabbitmq-server.')

  // The node in another root sees its folder under the name that it would have here.
  mkdirSync(join(root ?? '', tmpdir()), { recursive: true })
  const folder = mkdtempSync(join(root ?? '', tmpdir(), 'warren-rabbitmq-'))
  const home = root ? folder.slice(root.length) : folder
  const [port, distributionPort] = [await freePort(), await freePort()]
  // The nodes of a cluster find each other by one epmd.
  const epmdPort = peer?.environment.ERL_EPMD_PORT ?? String(await freePort())
  const log = join(folder, 'log')
  writeFileSync(join(folder, 'enabled_plugins'), '[].\n')
  const conf = [
    `listeners.tcp.default = 127.0.0.1:${port}`,
    'log.console.level = warning',
    'disk_free_limit.absolute = 50MB',
    ...clusterSettings([peer?.environment.RABBITMQ_NODENAME, `warren-${port}@localhost`]),
  ]
  writeFileSync(join(folder, 'rabbitmq.conf'), `${conf.join('\n')}\n`)
  // Those of a cluster know each other by it. Without one, the server and who asks it each make their own when they start
  // at the same moment, and then don't know each other.
  const cookie = peer ? readFileSync(join(peer.folder, COOKIE)) : randomBytes(16).toString('hex')
  writeFileSync(join(folder, COOKIE), cookie, { mode: 0o400 })

  const environment: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    // Erlang's cookie goes here, so that neither another user's nor the machine's own node can be reached by mistake.
    HOME: home,
    ...(root ? { WARREN_ROOT: root } : {}),
    ERL_EPMD_PORT: epmdPort,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_SCRIPTS: scripts,
    RABBITMQ_NODENAME: `warren-${port}@localhost`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(home, 'data'),
    RABBITMQ_LOG_BASE: home,
    RABBITMQ_LOGS: '-',
    ERL_CRASH_DUMP: join(home, 'erl_crash.dump'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'enabled_plugins'),
    RABBITMQ_CONFIG_FILE: join(home, 'rabbitmq.conf'),
    RABBITMQ_PID_FILE: join(home, 'pid'),
    // Keeps the machine's rabbitmq-env.conf out. The file need not exist.
    RABBITMQ_CONF_ENV_FILE: join(home, 'rabbitmq-env.conf'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-kernel inet_dist_use_interface {127,0,0,1} ${erlang}`,
    // Makes the script become Erlang's process instead of its parent: signals reach the right one.
    RUNNING_UNDER_SYSTEMD: 'true',
  }
  const admin = privateAdmin(environment)

  let server: ChildProcess | undefined
  // A node would start an epmd by itself, as a daemon that outlives it. This one is a child of ours.
  const epmd = peer ? undefined : await spawnUnowned('epmd', ['-port', epmdPort, '-address', '127.0.0.1'])
  // Tidies up for this process if that is killed. In a session of its own: Ctrl-C must not reach it.
  const heir = spawn('sh', ['-c', HEIR, folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  heir.unref()
  ;(heir.stdin as Socket).unref()
  tellHeir()

  function tellHeir(): void {
    const living = [epmd, server].filter((child) => child !== undefined && !hasEnded(child))
    heir.stdin.write(`${living.map((child) => child?.pid).join(' ')}\n`)
  }

  // tap ends a file when nothing keeps its event loop busy: a node that a whole file uses must not.
  async function spawnUnowned(command: string, args: string[] = []): Promise<ChildProcess> {
    const output = openSync(log, 'a')
    const child = spawn(...commandIn(environment, command, args), {
      env: environment,
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    await once(child, 'spawn')
    child.unref()
    return child
  }

  async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
    if (child === undefined || hasEnded(child)) return
    child.ref()
    const exited = once(child, 'exit')
    // A suspended process takes no signal but SIGKILL.
    child.kill('SIGCONT')
    child.kill(signal)
    await exited
    tellHeir()
  }

  /** Undefined while its Erlang is not up yet. */
  async function startState(): Promise<'started' | 'ended' | undefined> {
    if (server && hasEnded(server)) return 'ended'
    await evaluate(environment, 'ok = rabbit:await_startup(node(), false, 60000)')
    return 'started'
  }

  const node: RabbitmqNode = {
    name: 'RabbitMQ',
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    port,
    get pid() {
      if (server?.pid === undefined || hasEnded(server)) throw new Error(`expected ${node.name} to run, found it ended`)
      return server.pid
    },
    admin,
    folder,
    environment,

    async start() {
      if (server && !hasEnded(server)) return
      server = await spawnUnowned(join(scripts, 'rabbitmq-server'))
      tellHeir()
      const starts = await until(startState, { what: 'RabbitMQ to start', timeout: 60_000 }).catch(String)
      if (starts !== 'started') {
        await node.kill()
        throw new Error(`RabbitMQ did not start: ${starts}. Its log:\n${readFileSync(log, 'utf8')}`)
      }
    },
    // It takes SIGTERM as `rabbitmqctl stop`.
    stop: () => end(server, 'SIGTERM'),
    kill: () => end(server, 'SIGKILL'),
    suspend: () => void server?.kill('SIGSTOP'),
    resume: () => void server?.kill('SIGCONT'),

    async close() {
      await end(server, 'SIGKILL')
      await end(epmd, 'SIGTERM')
      heir.stdin.end()
      removeFolder(folder)
    },
  }

  try {
    await node.start()
    return Object.assign(node, { name: `RabbitMQ ${await admin.version()}` })
  } catch (error) {
    await node.close()
    throw error
  }
}

/** What makes a node join its peers at its first start; nothing for a node that has none. */
function clusterSettings([peer, own]: [string | undefined, string]): string[] {
  if (peer === undefined) return []
  const nodes = [peer, own].map((node, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${node}`)
  return ['cluster_formation.peer_discovery_backend = classic_config', ...nodes]
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
