import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { rabbitmqRequired } from './helpers/broker.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const missing = spawnSync('docker-compose', ['version']).error !== undefined
const skip = missing && !rabbitmqRequired() && 'compose.yaml is not checked: docker-compose is not installed.'

t.test('compose.yaml is what docker-compose takes, and safe', { skip }, async (t) => {
  const { status, stdout, stderr, error } = spawnSync('docker-compose', ['config'], { cwd: root, encoding: 'utf8' })
  t.equal(error, undefined)
  t.equal(status, 0, stderr)
  t.equal(stderr, '', 'without a warning')

  // Published to loopback only: guest's password is known to everyone.
  const ports = [...stdout.matchAll(/^\s*- (\S*:?\d+:\d+)\/tcp$/gm)].map(([, port]) => port)
  t.same(ports.sort(), ['127.0.0.1:15672:15672', '127.0.0.1:5672:5672'])

  t.match(stdout, /image: rabbitmq:4\.3-management$/m)
  t.match(stdout, /hostname: \S+$/m, 'a fixed host name: the data folder is named after it')
  t.match(stdout, /- rabbitmq-data:\/var\/lib\/rabbitmq(:rw)?$/m)
  t.match(stdout, /^volumes:\n {2}rabbitmq-data:/m, 'a named volume')
  t.match(stdout, /healthcheck:/)
  t.match(stdout, /rabbitmq-diagnostics/)
  t.match(stdout, /restart: unless-stopped/)
})
