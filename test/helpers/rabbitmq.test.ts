import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect } from 'amqplib'
import t from 'tap'
import { noPrivateNode } from './broker.ts'
import { rabbitmq43 } from './other-rabbitmq.ts'
import { freePort } from './ports.ts'
import { isAlive, run } from './process.ts'
import { type RabbitmqOptions, startRabbitmq } from './rabbitmq.ts'
import { until } from './until.ts'

const kinds: { name: string; skip: string | false; options: RabbitmqOptions }[] = [
  { name: 'a private node', skip: noPrivateNode, options: {} },
  { name: `a private node of ${rabbitmq43.name}`, skip: rabbitmq43.skip, options: { root: rabbitmq43.root } },
]

for (const { name, skip, options } of kinds) {
  t.test(name, { skip }, async (t) => {
    let folder = ''
    let home = ''
    let pids: number[] = []

    await t.test('lives as long as its test', async (t) => {
      const node = await startRabbitmq(t, options)
      folder = node.folder
      home = node.environment.HOME ?? ''
      pids = processesOf(home)
      t.ok(existsSync(folder))
      t.ok(pids.length >= 2, 'Erlang and epmd run')
      t.match(node.name, /^RabbitMQ \d+\.\d+/)

      await t.test('keeps its data over a stop and over a kill', async (t) => {
        await withChannel(node.url, async (channel) => {
          await channel.assertQueue('kept', { durable: true, arguments: { 'x-queue-type': 'quorum' } })
        })
        for (const end of [node.stop, node.kill]) {
          await end()
          await t.rejects(connect(node.url), { code: 'ECONNREFUSED' })
          await node.start()
          await withChannel(node.url, async (channel) => {
            t.match(await channel.checkQueue('kept'), { queue: 'kept' })
          })
        }
      })

      await t.test('hears nothing while suspended', async (t) => {
        node.suspend()
        await t.rejects(connect(node.url, { timeout: 200 }), 'connect gives up')
        node.resume()
        const connection = await connect(node.url, { timeout: 10_000 })
        await connection.close()
      })

      await t.test('does what many ask at once', async (t) => {
        const names = Array.from({ length: 20 }, (_, i) => `one of many ${i}`)
        await Promise.all(names.map((name) => node.admin.createVhost(name)))
        t.same(
          await Promise.all(names.map((name) => node.admin.queues(name))),
          names.map(() => []),
        )
        await Promise.all(names.map((name) => node.admin.deleteVhost(name)))
      })

      await t.test('makes users and lists queues and connections', async (t) => {
        await node.admin.createVhost('a vhost')
        await node.admin.createUser('someone', 'secret', 'a vhost')
        await t.rejects(connect(urlOf(node.port, 'someone', 'wrong', 'a vhost')), /ACCESS_REFUSED/)

        const connection = await connect(urlOf(node.port, 'someone', 'secret', 'a vhost'))
        const closed = new Promise((resolve) => connection.on('close', resolve))
        connection.on('error', () => {})
        const channel = await connection.createConfirmChannel()
        await channel.assertQueue('listed', { durable: true })
        channel.sendToQueue('listed', Buffer.from('1'))
        await channel.waitForConfirms()
        const expected = [{ name: 'listed', messages: 1, ready: 1, consumers: 0 }]
        // The broker counts once in a while, not at each question.
        await until(async () => JSON.stringify(await node.admin.queues('a vhost')) === JSON.stringify(expected), {
          what: `the queues to be ${JSON.stringify(expected)}`,
        })
        t.equal((await node.admin.connections('a vhost')).length, 1)
        t.same(await node.admin.connections('/'), [])

        await node.admin.closeConnections('a vhost', 'by the test')
        await closed
        await node.admin.deleteVhost('a vhost')
        await t.rejects(connect(urlOf(node.port, 'someone', 'secret', 'a vhost')))
      })
    })

    await t.test('leaves no process and no folder', async (t) => {
      t.notOk(existsSync(folder))
      t.same(pids.filter(isAlive), [])
      t.same(processesOf(home), [])
    })
  })

  t.test(`${name} ends also when its process is killed`, { skip }, async (t) => {
    const module = new URL('rabbitmq.js', import.meta.url)
    const code = `const { launchRabbitmq } = await import('${module}')
    const node = await launchRabbitmq(${JSON.stringify(options)})
    console.log('started', node.folder, node.environment.HOME)
    setInterval(() => {}, 1000)`
    const owner = run(process.execPath, ['--input-type=module', '-e', code])
    t.teardown(() => owner.end())
    const [, folder = '', home = ''] = await owner.outputs(/started (\S+) (\S+)\n/, 60_000)
    const pids = processesOf(home)
    t.ok(pids.length >= 2)

    await owner.end('SIGKILL')
    await until(() => !existsSync(folder) && !pids.some(isAlive), { what: 'the node to be gone' })
    t.pass('no process and no folder is left')
  })
}

t.test('a free port can be listened on', async (t) => {
  t.ok((await freePort()) > 1023)
})

async function withChannel(
  url: string,
  use: (channel: Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createChannel']>>) => Promise<void>,
): Promise<void> {
  const connection = await connect(url)
  try {
    await use(await connection.createChannel())
  } finally {
    await connection.close()
  }
}

function urlOf(port: number, user: string, password: string, vhost: string): string {
  return `amqp://${user}:${password}@127.0.0.1:${port}/${encodeURIComponent(vhost)}`
}

/** The processes whose environment names the folder: Linux only; elsewhere none are found. */
function processesOf(folder: string): number[] {
  if (!existsSync('/proc/self/environ')) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HOME=${folder}\0`)
      } catch {
        return false
      }
    })
    .map(Number)
}
