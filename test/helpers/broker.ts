import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { startBroker } from '../../supervisor/index.ts'
import { embeddedOnly } from './embedded-only.ts'
import { rabbitmq43 } from './other-rabbitmq.ts'
import { launchRabbitmq, type RabbitmqNode, rabbitmqScripts, startRabbitmq } from './rabbitmq.ts'
import { managementAdmin, privateAdmin, type RabbitmqAdmin } from './rabbitmq-admin.ts'
import { sharedNode } from './shared-node.ts'
import type { Teardown } from './tmp.ts'
import { until } from './until.ts'

/** A place on a broker for one test file or one test: a vhost of a running RabbitMQ, or an embedded broker. */
export interface TestBroker {
  /** With credentials and the vhost. */
  readonly url: string
  readonly vhost: string
  /** Missing for the embedded broker, and where TEST_AMQP_URL names a broker without a management page. */
  readonly admin: RabbitmqAdmin | undefined
}

/** Why there is no RabbitMQ to test on, or false: made to be tap's `skip` option. */
export const noRabbitmq: string | false =
  embeddedOnly ||
  (process.env.TEST_AMQP_URL || rabbitmqScripts()
    ? false
    : 'The tests of RabbitMQ itself are skipped: neither is rabbitmq-server installed, nor does TEST_AMQP_URL name one.')

/** Why no test can have a RabbitMQ to stop and start, or false: made to be tap's `skip` option. */
export const noPrivateNode: string | false =
  embeddedOnly ||
  (rabbitmqScripts()
    ? false
    : 'The tests that stop and start a RabbitMQ are skipped: rabbitmq-server is not installed.')

/** WARREN_BROKER names the kind of broker that is wanted, as for the contract; this machine's RabbitMQ by default. */
const wantsNewest = process.env.WARREN_BROKER === rabbitmq43.name

/** Starts a private RabbitMQ of the kind that is wanted; closed when the test ends. */
export function startNode(t: Teardown): Promise<RabbitmqNode> {
  return wantsNewest ? rabbitmq43.start(t) : startRabbitmq(t)
}

/** Whether a missing RabbitMQ is a failure instead of a skip: where CI or WARREN_REQUIRE_RABBITMQ is set. */
export function rabbitmqRequired(): boolean {
  return !embeddedOnly && /^(1|true)$/.test(process.env.WARREN_REQUIRE_RABBITMQ ?? process.env.CI ?? '')
}

/**
 * A vhost of its own on the run's shared node, or on the broker of TEST_AMQP_URL; without a RabbitMQ an embedded broker
 * in this process. At the test's end connections that are still open fail the test, and the vhost is deleted.
 */
export async function testBroker(t: Test): Promise<TestBroker> {
  if (noRabbitmq) {
    if (rabbitmqRequired()) throw new Error(noRabbitmq)
    t.comment(
      embeddedOnly
        ? 'This runs on the embedded broker.'
        : 'There is no RabbitMQ here: this runs on the embedded broker alone.',
    )
    return embeddedBroker(t)
  }

  const server = await findServer(t)
  // A broker without a management page: its own vhost has to do, and the tests' unique names have to keep them apart.
  if (!server.admin) return { url: server.url, vhost: vhostOf(server.url), admin: undefined }
  const { admin } = server

  const vhost = `test-${randomUUID()}`
  await admin.createVhost(vhost)
  t.teardown(async function closeVhost() {
    try {
      await assertNoConnections(admin, vhost)
    } finally {
      await admin.deleteVhost(vhost)
    }
  })
  const url = new URL(server.url)
  url.pathname = `/${vhost}`
  return { url: url.href, vhost, admin }
}

async function embeddedBroker(t: Test): Promise<TestBroker> {
  const broker = await startBroker()
  // tap ends a file when nothing keeps its event loop busy.
  broker.unref()
  t.teardown(async function closeBroker() {
    try {
      const gone = () => broker.connections === 0
      await until(gone, { what: 'the connections to close', timeout: 5_000 }).catch(() => {
        throw new Error(leftOpen(broker.connections))
      })
    } finally {
      await broker.close()
    }
  })
  return { url: broker.url, vhost: vhostOf(broker.url), admin: undefined }
}

/** The vhost that an AMQP URL names: `/` unless it has a path. */
export function vhostOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1)) || '/'
}

/**
 * The broker notices a closed socket a moment late, so connections have five seconds to go.
 * @throws an Error that names those that are left
 */
export async function assertNoConnections(admin: RabbitmqAdmin, vhost: string, timeout = 5000): Promise<void> {
  let open: string[] = []
  const gone = async () => {
    open = await admin.connections(vhost)
    return open.length === 0
  }
  await until(gone, { what: 'the connections to close', timeout, interval: 100 }).catch((error) => {
    if (open.length === 0) throw error
    throw new Error(`${leftOpen(open.length)}: ${open.join(', ')}`)
  })
}

function leftOpen(count: number): string {
  return `The test left ${count} connections to the broker open`
}

async function findServer(t: Test): Promise<{ url: string; admin: RabbitmqAdmin | undefined }> {
  const external = process.env.TEST_AMQP_URL
  if (external) return { url: external, admin: await findManagement(external, t) }

  const shared = sharedNode(wantsNewest ? rabbitmq43.name : 'RabbitMQ')
  if (shared) return { url: shared.url, admin: privateAdmin(shared.environment) }

  // Run by hand, and not by run.ts: the file starts a node for itself.
  return ownNode()
}

let own: ReturnType<typeof launchRabbitmq> | undefined

// Nobody closes it: it ends with this process.
function ownNode() {
  own ??= wantsNewest ? rabbitmq43.launch() : launchRabbitmq()
  return own
}

/** The management page of an external broker, where its URL or TEST_MANAGEMENT_URL has one that answers. */
async function findManagement(amqpUrl: string, t: Test): Promise<RabbitmqAdmin | undefined> {
  const url = process.env.TEST_MANAGEMENT_URL ?? `http://${new URL(amqpUrl).hostname}:15672`
  const admin = managementAdmin(amqpUrl, url)
  try {
    await admin.version()
    return admin
  } catch (error) {
    t.comment(`No management page at ${url} (${error}): the test shares the vhost of TEST_AMQP_URL, leaks stay unseen.`)
    return undefined
  }
}
