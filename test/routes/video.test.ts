import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { BrokerUnavailableError } from '../../supervisor/base/errors.ts'
import { runToEnd } from '../helpers/process.ts'
import { until } from '../helpers/until.ts'
import { startFlixTube } from './flixtube.ts'

const bytes = readFileSync('routes/assets/sample.mp4')
const size = bytes.length
const view = { address: 'viewed', data: { videoPath: 'sample.mp4' } }

t.test('the whole video, and one view', async (t) => {
  const { url, sent } = await startFlixTube(t)
  const response = await fetch(`${url}/video`, { headers: { 'x-request-id': 'play' } })
  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'video/mp4')
  t.equal(response.headers.get('accept-ranges'), 'bytes')
  t.equal(response.headers.get('content-length'), String(size))
  t.ok(bytes.equals(Buffer.from(await response.arrayBuffer())))
  t.same(sent, [{ ...view, requestId: 'play' }])

  const head = await fetch(`${url}/video`, { method: 'HEAD' })
  t.equal(head.status, 200)
  t.equal(head.headers.get('content-length'), String(size))
  t.equal(sent.length, 1, 'HEAD is no view')
})

t.test('ranges', async (t) => {
  const { url, sent } = await startFlixTube(t)
  const first = await fetch(`${url}/video`, { method: 'HEAD' })
  const etag = first.headers.get('etag') as string
  const modified = first.headers.get('last-modified') as string

  // [range, status, from, to, views, other headers]
  const cases: [string, number, number, number, number, Record<string, string>?][] = [
    ['bytes=0-', 206, 0, size - 1, 1],
    ['bytes=0-99', 206, 0, 99, 1],
    ['bytes=100-199', 206, 100, 199, 0],
    ['bytes=100000-', 206, 100_000, size - 1, 0],
    ['bytes=-500', 206, size - 500, size - 1, 0],
    [`bytes=-${size * 2}`, 206, 0, size - 1, 1],
    [`bytes=10-${size * 2}`, 206, 10, size - 1, 0],
    [`bytes=${size - 1}-`, 206, size - 1, size - 1, 0],
    ['BYTES = 5-6', 206, 5, 6, 0],
    ['bytes=5-6', 206, 5, 6, 0, { 'if-range': etag }],
    ['bytes=5-6', 206, 5, 6, 0, { 'if-range': modified }],
    ['bytes=5-6', 200, 0, size - 1, 1, { 'if-range': '"another"' }],
    ['bytes=5-6', 200, 0, size - 1, 1, { 'if-range': new Date(0).toUTCString() }],
    ['bytes=0-1,5-6', 200, 0, size - 1, 1],
    ['seconds=5-6', 200, 0, size - 1, 1],
  ]
  for (const [range, status, from, to, views, headers] of cases) {
    const what = `${range} ${JSON.stringify(headers ?? '')}`
    const before = sent.length
    const response = await fetch(`${url}/video`, { headers: { range, ...headers } })
    t.equal(response.status, status, what)
    t.equal(response.headers.get('content-range'), status === 206 ? `bytes ${from}-${to}/${size}` : null, what)
    t.equal(response.headers.get('content-length'), String(to - from + 1), what)
    t.ok(bytes.subarray(from, to + 1).equals(Buffer.from(await response.arrayBuffer())), what)
    t.equal(sent.length - before, views, what)
  }

  const before = sent.length
  for (const range of [`bytes=${size}-`, 'bytes=6-5', 'bytes=-0', 'bytes=-', 'bytes=a-b', 'bytes=5']) {
    const response = await fetch(`${url}/video`, { headers: { range } })
    t.equal(response.status, 416, range)
    t.equal(response.headers.get('content-range'), `bytes */${size}`, range)
    t.match(await response.json(), { status: 416, title: 'Range not satisfiable' })
  }
  t.equal(sent.length, before, 'no view')

  for (const headers of [{ 'if-none-match': etag }, { 'if-modified-since': modified }]) {
    t.equal((await fetch(`${url}/video`, { headers })).status, 304)
  }
  t.equal((await fetch(`${url}/video`, { headers: { 'if-none-match': '"another"' } })).status, 200)
})

t.test('HEAD tells what GET without a range would, whatever it asks for', async (t) => {
  const { url, sent } = await startFlixTube(t)
  const plain = await fetch(`${url}/video`, { method: 'HEAD' })
  const etag = plain.headers.get('etag') as string
  const old = new Date(0).toUTCString()
  const cases: [Record<string, string>, number][] = [
    [{ range: 'bytes=0-' }, 200],
    [{ range: 'bytes=5-6' }, 200],
    [{ range: 'bytes=-1' }, 200],
    [{ range: `bytes=${size}-` }, 200],
    [{ range: 'bytes=6-5' }, 200],
    [{ range: 'bytes=0-1,5-6' }, 200],
    [{ range: 'bytes=5-6', 'if-range': etag }, 200],
    [{ range: 'bytes=5-6', 'if-range': '"another"' }, 200],
    [{ range: 'bytes=5-6', 'if-range': `W/${etag}` }, 200],
    [{ range: 'bytes=5-6', 'if-none-match': etag }, 304],
    [{ range: 'bytes=5-6', 'if-match': '"another"' }, 412],
    [{ 'if-unmodified-since': old }, 412],
  ]
  for (const [headers, status] of cases) {
    const what = JSON.stringify(headers)
    const response = await fetch(`${url}/video`, { method: 'HEAD', headers })
    t.equal(response.status, status, what)
    t.equal(response.headers.get('content-range'), null, what)
    if (status === 200) t.equal(response.headers.get('content-length'), String(size), what)
    t.equal(await response.text(), '', what)
  }
  t.equal(sent.length, 0)
})

t.test('a file is sent only if it is the one that is meant', async (t) => {
  const { url, sent } = await startFlixTube(t)
  const head = await fetch(`${url}/video`, { method: 'HEAD' })
  const etag = head.headers.get('etag') as string
  const modified = head.headers.get('last-modified') as string
  const cases: [Record<string, string>, number][] = [
    [{ 'if-match': etag }, 206],
    [{ 'if-match': '*' }, 206],
    [{ 'if-match': `"another", ${etag}` }, 206],
    [{ 'if-match': `W/${etag}` }, 412],
    [{ 'if-match': '"another"' }, 412],
    [{ 'if-unmodified-since': modified }, 206],
    [{ 'if-unmodified-since': new Date(0).toUTCString() }, 412],
    [{ 'if-unmodified-since': 'no date' }, 206],
    // A weak tag says that the files mean the same, not that a part of one fits to the other.
    [{ 'if-range': `W/${etag}` }, 200],
  ]
  for (const [headers, status] of cases) {
    const response = await fetch(`${url}/video`, { headers: { ...headers, range: 'bytes=5-6' } })
    t.equal(response.status, status, JSON.stringify(headers))
    await response.arrayBuffer()
  }
  t.equal(sent.length, 1, 'for the whole of it')
})

t.test('without a broker the view is not confirmed, and nothing is streamed', async (t) => {
  const { url } = await startFlixTube(t, { refuse: () => new BrokerUnavailableError('connection refused') })
  const response = await fetch(`${url}/video`)
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '1')
  t.equal((await fetch(`${url}/video`, { headers: { range: 'bytes=5-6' } })).status, 206, 'nothing to confirm')
})

function openVideos(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).endsWith('sample.mp4')
    } catch {
      return false
    }
  }).length
}

const noProc = process.platform === 'linux' ? false : 'open files are counted in /proc'
t.test('a client that hangs up leaves no file open', { skip: noProc }, async (t) => {
  const { url } = await startFlixTube(t)
  for (let i = 0; i < 5; i++) {
    await new Promise<void>((resolve, reject) => {
      const outgoing = get(`${url}/video`, { agent: false }, (response) => {
        response.once('data', () => {
          outgoing.destroy()
          resolve()
        })
        response.on('error', () => {})
      })
      outgoing.on('error', reject)
    })
  }
  await until(() => openVideos() === 0, { what: 'the files to be closed' })
  await (await fetch(`${url}/video`)).arrayBuffer()
  await until(() => openVideos() === 0, { what: 'the file that was read to its end to be closed' })
  t.equal(openVideos(), 0)
})

t.test('the video can be played', async (t) => {
  const { url, dataDir } = await startFlixTube(t)
  const probe = ['-v', 'error', '-show_entries', 'stream=codec_name', '-of', 'csv=p=0', `${url}/video`]
  const ffprobe = await runToEnd('ffprobe', probe).catch(() => undefined)
  if (!ffprobe) return t.pass('there is no ffprobe on this machine to ask')
  t.same(ffprobe.stdout.trim().split('\n').sort(), ['aac', 'h264'], ffprobe.stderr)
  const decode = await runToEnd('ffmpeg', ['-v', 'error', '-i', `${url}/video`, '-f', 'null', join(dataDir, 'none')])
  t.equal(decode.output, '', 'every frame of it')
  t.ok(size < 500_000)
})
