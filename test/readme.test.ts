// Follows the README from its first block to its last, as a newcomer would, and compares what it shows with what comes.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Jimp } from 'jimp'
import t from 'tap'
import { rabbitmqRequired, testBroker } from './helpers/broker.ts'
import { freshClone, REPOSITORY } from './helpers/fresh-clone.ts'
import { type Block, readReadme } from './helpers/readme.ts'
import { until } from './helpers/until.ts'

// @long

/** Commands that are tried elsewhere. */
const NOT_HERE: Record<string, string> = {
  'npm ci': 'CI runs it; here node_modules is linked',
  'docker compose up -d --wait': 'compose.test.ts checks the file; here the tests have a RabbitMQ',
}

/** The example application's workers and routes, which the README's outputs show. */
const EXAMPLE = 'history recommendations thumbnail index thumbnails video viewed'.split(' ')

t.setTimeout(600_000)

const added = ['workers', 'routes'].flatMap((folder) =>
  readdirSync(join(REPOSITORY, folder)).filter(
    (file) => file.endsWith('.ts') && !EXAMPLE.includes(basename(file, '.ts')),
  ),
)
if (added.length > 0 && !rabbitmqRequired()) {
  t.plan(
    0,
    `The README is not followed: its outputs are those of the example alone, and here is ${added.join(', ')} too.`,
  )
  process.exit(0)
}

const broker = await testBroker(t)
const clone = await freshClone(t)
const { blocks } = readReadme(join(REPOSITORY, 'README.md'))
const inClone = (file: string) => join(clone.root, file)
const read = (file: string) => readFileSync(inClone(file))

t.test('the README, step by step', async (t) => {
  writeFileSync(inClone('photo.jpg'), await new Jimp({ width: 900, height: 600 }).getBuffer('image/jpeg'))
  let id = ''
  const ran: string[] = []

  for (const [index, block] of blocks.entries()) {
    const next = blocks[index + 1]
    if (block.language === 'ts') takeCode(block)
    else if (block.language === 'sh') await runAll(block, next?.language === 'sh' ? undefined : outputOf(next))
    else t.match(block.language, /^(text|json|mermaid)$/, `line ${block.line} has what a command shows, or a picture`)
  }

  t.match(
    await clone.sh('npm run status'),
    { code: 0, stdout: /Nothing is running/ },
    'the README stops what it starts',
  )
  for (const command of Object.keys(NOT_HERE)) t.ok(ran.includes(command), `${command} is in the README`)

  /** A file that exists is quoted; another is written; two lines more are put where they belong. */
  function takeCode({ text, line }: Block): void {
    const [, file = '', more] = /^\/\/ (\S+\.ts)(, two lines more)?\n/.exec(text) ?? []
    t.not(file, '', `line ${line} says which file it is`)
    const lines = text.split('\n').slice(1)
    if (more) addLines(file, lines)
    else if (existsSync(inClone(file))) {
      t.ok(read(file).toString().includes(lines.join('\n')), `${file} has what line ${line} quotes`)
    } else {
      mkdirSync(dirname(inClone(file)), { recursive: true })
      writeFileSync(inClone(file), `${here(lines.join('\n'))}\n`)
    }
  }

  function addLines(file: string, [imported, mounted]: string[]): void {
    const edited = read(file)
      .toString()
      .replace(/((?:^import .*\n)+)/m, `$1${imported}\n`)
      .replace(/((?:^ {2}\.route.*\n)+)/m, `$1${mounted}\n`)
    writeFileSync(inClone(file), edited)
  }

  async function runAll({ text, line }: Block, shown: string | undefined): Promise<void> {
    const commands = text.split('\n')
    for (const [index, written] of commands.entries()) {
      const [, command = '', status] = /^(.*?)(?: {2}# (\d+))?$/.exec(written) ?? []
      ran.push(command)
      if (command in NOT_HERE) continue
      const expected = index === commands.length - 1 ? shown : undefined
      const output = await runOne(command, Number(status ?? 200), expected)
      if (expected !== undefined) t.equal(plain(output), plain(expected), `line ${line}: ${command}`)
      else t.pass(`line ${line}: ${command}`)
      id = /^\{"id":"([^"]+)"\}$/.exec(output)?.[1] ?? id
      check(command, output)
    }
  }

  /** Reads are repeated until they show what they should: a worker needs a moment. */
  async function runOne(command: string, status: number, expected: string | undefined): Promise<string> {
    const isCurl = command.startsWith('curl ')
    const isRead = isCurl ? !/ (-d|--data-binary) /.test(command) : /npm run (logs|status)|npx warren ps/.test(command)
    const line = here(command).replace(/^curl -s /, "curl -sS --max-time 20 -w '%{stderr}%{http_code}' ")
    let last = ''

    async function attempt(): Promise<boolean> {
      const { code, stdout, stderr } = await clone.sh(line)
      last = stdout
      const right = code === 0 && (!isCurl || stderr.endsWith(String(status)))
      if (!isRead && !right) throw new Error(`${line}: code ${code}\n${stdout}${stderr}`)
      return right && (!isRead || expected === undefined || plain(stdout) === plain(expected))
    }

    if (!isRead) await attempt()
    else await until(attempt, { what: `the outcome of ${line}`, interval: 200 }).catch(t.error)
    return last
  }

  /** What the README says in words. */
  function check(command: string, output: string): void {
    if (command.endsWith('-o video.mp4')) t.ok(read('video.mp4').equals(read('routes/assets/sample.mp4')), 'the video')
    if (command.endsWith('-o part.mp4')) t.equal(read('part.mp4').length, 1_000, 'a part of it')
    if (command.endsWith('-o thumbnail.png')) t.equal(read('thumbnail.png').toString('latin1', 1, 4), 'PNG')
    if (command.includes('/recommendations')) {
      // The part that was asked for starts later: that was no view.
      const recommendations = [
        { videoPath: 'sample.mp4', views: 2 },
        { videoPath: 'other.mp4', views: 1 },
      ]
      t.same(JSON.parse(output), { recommendations })
    }
    if (command.includes('/history?skip')) {
      const paths = (JSON.parse(output) as { history: { videoPath: string }[] }).history.map((view) => view.videoPath)
      t.same(paths.sort(), ['other.mp4', 'sample.mp4', 'sample.mp4'])
    }
  }

  function here(text: string): string {
    return text
      .replaceAll('localhost:4000', `localhost:${clone.port}`)
      .replaceAll('amqp://guest:guest@localhost:5672', broker.url)
      .replace(/\/ID\b/, `/${id}`)
  }
})

function outputOf(block: Block | undefined): string | undefined {
  return block && ['text', 'json'].includes(block.language) ? block.text : undefined
}

/** A text without what differs from run to run: numbers, ids, times, the widths and the order of a table's rows. */
function plain(text: string): string {
  return text
    .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'ID')
    .replaceAll(/\d+(\.\d+)?([smh]\b)?/g, 'N')
    .split('\n')
    .map((line) => line.replaceAll(/\s+/g, ' ').trim())
    .filter((line) => line !== '' && !line.startsWith('waiting: '))
    .sort()
    .join('\n')
}
