import { join } from 'node:path'
import { binary, evaluate, evaluateJson } from './erlang.ts'
import { runToEnd } from './process.ts'

/** What the broker knows of a queue. */
export interface QueueState {
  name: string
  messages: number
  /** Ready for delivery; the rest of `messages` is with consumers. */
  ready: number
  consumers: number
}

export interface Permissions {
  configure: string
  write: string
  read: string
}

/** What tests ask of a RabbitMQ beside AMQP. */
export interface RabbitmqAdmin {
  version(): Promise<string>
  /** Makes a vhost that the user of the broker's URL may do everything in. */
  createVhost(vhost: string): Promise<void>
  deleteVhost(vhost: string): Promise<void>
  /** Makes a user with all permissions in one vhost. */
  createUser(user: string, password: string, vhost: string): Promise<void>
  /** What a user may do in a vhost, as regular expressions for the names of queues and exchanges. */
  setPermissions(user: string, vhost: string, permissions: Permissions): Promise<void>
  deleteUser(user: string): Promise<void>
  changePassword(user: string, password: string): Promise<void>
  queues(vhost: string): Promise<QueueState[]>
  /** The names of the open connections to a vhost. */
  connections(vhost: string): Promise<string[]>
  /** Closes every connection to a vhost from the broker's side. */
  closeConnections(vhost: string, reason: string): Promise<void>
}

// RabbitMQ looks for processes in /proc. Mounted for the command alone, so that no mount is ever left behind.
const IN_ROOT = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'

/** A command and its arguments, for a node of this environment: in its root folder, where it has one of its own. */
export function commandIn(
  { WARREN_ROOT: root }: NodeJS.ProcessEnv,
  command: string,
  args: readonly string[],
): [string, string[]] {
  return root ? ['unshare', ['--mount', 'sh', '-c', IN_ROOT, root, command, ...args]] : [command, [...args]]
}

/** What RabbitMQ's own command says of a private node. It takes one to two seconds of a processor: see erlang.ts. */
export async function runRabbitmqctl(environment: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const command = join(environment.RABBITMQ_SCRIPTS ?? '', 'rabbitmqctl')
  const { code, stdout, output } = await runToEnd(...commandIn(environment, command, ['--quiet', ...args]), {
    env: environment,
  })
  if (code !== 0) throw new Error(`rabbitmqctl ${args[0]} failed with code ${code}: ${output}`)
  return stdout
}

const EVERYTHING: Permissions = { configure: '.*', write: '.*', read: '.*' }
/** Who is said to have made the changes. */
const BY = binary('test')

/** Administrates a private node. */
export function privateAdmin(environment: NodeJS.ProcessEnv): RabbitmqAdmin {
  const done = async (expression: string) => void (await evaluate(environment, `ok = ${expression}`))
  const users = (call: string, ...args: string[]) =>
    done(`rabbit_auth_backend_internal:${call}(${[...args.map(binary), BY].join(',')})`)
  const grant = (user: string, vhost: string, { configure, write, read }: Permissions) =>
    users('set_permissions', user, vhost, configure, write, read)
  // A connection can end while it is looked at.
  const connections = (vhost: string, value: string) => `[${value} ||
    C <- rabbit_networking:connections(),
    I <- [(catch rabbit_networking:connection_info(C, [name, vhost]))],
    is_list(I), proplists:get_value(vhost, I) =:= ${binary(vhost)}]`

  return {
    async version() {
      return (await evaluateJson<[string]>(environment, '[list_to_binary(rabbit_misc:version())]'))[0]
    },
    async createVhost(vhost) {
      await done(`rabbit_vhost:add(${binary(vhost)}, ${BY})`)
      await grant('guest', vhost, EVERYTHING)
    },
    deleteVhost: (vhost) => done(`rabbit_vhost:delete(${binary(vhost)}, ${BY})`),
    async createUser(user, password, vhost) {
      await users('add_user', user, password)
      await grant(user, vhost, EVERYTHING)
    },
    setPermissions: grant,
    deleteUser: (user) => users('delete_user', user),
    changePassword: (user, password) => users('change_password', user, password),
    async queues(vhost) {
      const figures = ['messages', 'messages_ready', 'consumers']
      const listed = await evaluateJson<ListedQueue[]>(
        environment,
        `[#{name => element(4, proplists:get_value(name, I)),
            ${figures.map((figure) => `${figure} => proplists:get_value(${figure}, I)`).join(',')}} ||
          Q <- rabbit_amqqueue:list(${binary(vhost)}),
          I <- [rabbit_amqqueue:info(Q, [name, ${figures.join(',')}])]]`,
      )
      return listed.map(queueState)
    },
    connections: (vhost) => evaluateJson(environment, connections(vhost, 'proplists:get_value(name, I)')),
    async closeConnections(vhost, reason) {
      await evaluate(
        environment,
        connections(vhost, `rabbit_networking:close_connection(C, ${JSON.stringify(reason)})`),
      )
    },
  }
}

interface ListedQueue {
  name: string
  messages: number
  messages_ready: number
  consumers: number
}

function queueState({ name, messages, messages_ready: ready, consumers }: ListedQueue): QueueState {
  return { name, messages, ready, consumers }
}

/**
 * Administrates a RabbitMQ over its management plugin's HTTP API, with the credentials of its AMQP URL.
 * Its figures are up to five seconds old.
 */
export function managementAdmin(amqpUrl: string, managementUrl: string): RabbitmqAdmin {
  const { username, password } = new URL(amqpUrl)
  const user = decodeURIComponent(username || 'guest')
  const authorization = `Basic ${Buffer.from(`${user}:${decodeURIComponent(password || 'guest')}`).toString('base64')}`

  async function request<T>(method: string, path: string[], body?: unknown): Promise<T> {
    const url = `${managementUrl.replace(/\/$/, '')}/api/${path.map(encodeURIComponent).join('/')}`
    const response = await fetch(url, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${url} was answered ${response.status}: ${text}`)
    return (text ? JSON.parse(text) : undefined) as T
  }

  const connections = (vhost: string) => request<{ name: string }[]>('GET', ['vhosts', vhost, 'connections'])

  return {
    async version() {
      return (await request<{ rabbitmq_version: string }>('GET', ['overview'])).rabbitmq_version
    },
    async createVhost(vhost) {
      await request('PUT', ['vhosts', vhost], {})
      await request('PUT', ['permissions', vhost, user], EVERYTHING)
    },
    async deleteVhost(vhost) {
      await request('DELETE', ['vhosts', vhost])
    },
    async createUser(name, secret, vhost) {
      await request('PUT', ['users', name], { password: secret, tags: '' })
      await request('PUT', ['permissions', vhost, name], EVERYTHING)
    },
    async setPermissions(name, vhost, permissions) {
      await request('PUT', ['permissions', vhost, name], permissions)
    },
    async deleteUser(name) {
      await request('DELETE', ['users', name])
    },
    async changePassword(name, secret) {
      await request('PUT', ['users', name], { password: secret, tags: '' })
    },
    async queues(vhost) {
      return (await request<ListedQueue[]>('GET', ['queues', vhost])).map(queueState)
    },
    async connections(vhost) {
      return (await connections(vhost)).map(({ name }) => name)
    },
    async closeConnections(vhost) {
      for (const { name } of await connections(vhost)) await request('DELETE', ['connections', name])
    },
  }
}
