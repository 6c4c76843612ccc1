import { existsSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, '../../../test/clients')

/** A program that uses another client, and prints `ok STEP` or `not ok STEP: WHY` for each of its steps. */
export interface Program {
  readonly client: string
  /** Debian's packages that it needs. */
  readonly packages: readonly string[]
  readonly command: readonly [file: string, ...args: string[]]
  readonly env?: Readonly<Record<string, string>>
  /** A file of the client itself: where it is missing, the packages are not installed. */
  readonly needs: string
  /** Its version, and what that takes from what is installed. */
  readonly package: string
}

const python = (name: string): Pick<Program, 'command' | 'env'> => ({
  command: ['/usr/bin/python3', join(FOLDER, name)],
  env: { PYTHONDONTWRITEBYTECODE: '1' },
})
const JARS = ['amqp-client', 'slf4j-api', 'slf4j-nop'].map((name) => `/usr/share/java/${name}.jar`).join(':')

/** The clients of other languages, as Debian has them. */
export const PROGRAMS: readonly Program[] = [
  {
    client: 'Java, RabbitMQ’s own',
    package: 'librabbitmq-client-java',
    packages: ['librabbitmq-client-java', 'default-jdk-headless'],
    command: ['java', '-cp', JARS, join(FOLDER, 'JavaClient.java')],
    needs: '/usr/share/java/amqp-client.jar',
  },
  {
    client: 'Go, amqp091-go',
    package: 'golang-github-rabbitmq-amqp091-go-dev',
    packages: ['golang-github-rabbitmq-amqp091-go-dev', 'golang-go'],
    command: ['go', 'run', join(FOLDER, 'go_client.go')],
    env: { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '' },
    needs: '/usr/share/gocode/src/github.com/rabbitmq/amqp091-go',
  },
  {
    client: 'Perl, AnyEvent::RabbitMQ',
    package: 'libanyevent-rabbitmq-perl',
    packages: ['libanyevent-rabbitmq-perl'],
    command: ['perl', join(FOLDER, 'perl_client.pl')],
    needs: '/usr/share/perl5/AnyEvent/RabbitMQ.pm',
  },
  {
    client: 'Python, pika',
    package: 'python3-pika',
    packages: ['python3-pika'],
    ...python('pika_client.py'),
    needs: '/usr/lib/python3/dist-packages/pika',
  },
  {
    client: 'Python, kombu on py-amqp',
    package: 'python3-kombu',
    packages: ['python3-kombu', 'python3-amqp'],
    ...python('kombu_client.py'),
    needs: '/usr/lib/python3/dist-packages/kombu',
  },
  {
    client: 'PHP, php-amqplib',
    package: 'php-amqplib',
    packages: ['php-amqplib', 'php-cli'],
    command: ['php', join(FOLDER, 'php_client.php')],
    needs: '/usr/share/php/PhpAmqpLib/autoload.php',
  },
]

export function isInstalled({ needs }: Program): boolean {
  return existsSync(needs)
}
