import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { hc } from 'hono/client'
import { Jimp } from 'jimp'
import t from 'tap'
import type { App } from '../../routes/index.ts'
import { BrokerUnavailableError } from '../../supervisor/base/errors.ts'
import * as history from '../../workers/stores/history.ts'
import * as recommendations from '../../workers/stores/recommendations.ts'
import { saveThumbnail } from '../../workers/stores/thumbnails.ts'
import { startFlixTube } from './flixtube.ts'

const away = { refuse: () => new BrokerUnavailableError('connection refused') }

/** `true` only where each type takes the other, and neither is `any`. */
type Same<A, B> = 0 extends 1 & A ? false : [A, B] extends [B, A] ? true : false
function assertSame<T extends true>(_: T): void {}

t.test('the direct way records a view, broker or not, and the typed client knows the types', async (t) => {
  const { url } = await startFlixTube(t, away)
  const client = hc<App>(url)

  const response = await client.viewed.$post({ json: { videoPath: 'a.mp4' } })
  t.equal(response.status, 201)
  const { id } = await response.json()
  assertSame<Same<typeof id, string>>(true)

  const found = await (await client.history.$get({ query: {} })).json()
  assertSame<Same<typeof found, { history: { id: string; videoPath: string; watchedAt: string }[] }>>(true)
  t.match(found, { history: [{ id, videoPath: 'a.mp4', watchedAt: /^\d{4}-\d\d-\d\dT.*Z$/ }] })

  const best = await (await client.recommendations.$get({ query: { limit: '5' } })).json()
  assertSame<Same<typeof best, { recommendations: { videoPath: string; views: number }[] }>>(true)
  t.same(best, { recommendations: [{ videoPath: 'a.mp4', views: 1 }] })

  // @ts-expect-error the client refuses what the route would
  t.equal((await client.viewed.$post({ json: { videoPath: 7 } })).status, 422)
  const empty = await fetch(`${url}/viewed`, {
    method: 'POST',
    body: '{',
    headers: { 'content-type': 'application/json' },
  })
  t.equal(empty.status, 400)
})

t.test('pages of history and recommendations', async (t) => {
  const { url } = await startFlixTube(t)
  for (let i = 0; i < 25; i++) {
    await history.add(`id-${String(i).padStart(2, '0')}`, 'a.mp4')
    await recommendations.count(`id-${i}`, i < 20 ? 'a.mp4' : 'b.mp4')
  }
  const page = async (search: string) => {
    const { history } = (await (await fetch(`${url}/history${search}`)).json()) as { history: { id: string }[] }
    return history.map(({ id }) => id)
  }
  t.same(await page('?limit=2'), ['id-24', 'id-23'], 'newest first')
  t.same(await page('?skip=2&limit=2'), ['id-22', 'id-21'])
  t.equal((await page('')).length, 20)
  t.same(await page('?skip=25'), [])
  t.same(await (await fetch(`${url}/recommendations?limit=1`)).json(), {
    recommendations: [{ videoPath: 'a.mp4', views: 20 }],
  })
  for (const path of [
    '/history?limit=0',
    '/history?limit=101',
    '/history?skip=-1',
    '/history?limit=x',
    '/recommendations?limit=101',
  ]) {
    const response = await fetch(url + path)
    t.equal(response.status, 422, path)
    t.match(await response.json(), { errors: [{ path: /limit|skip/ }] })
  }
})

t.test('thumbnails: an image is stored before its message is sent', async (t) => {
  const { url, sent, dataDir } = await startFlixTube(t)
  const image = await new Jimp({ width: 40, height: 20, color: 0xff0000ff }).getBuffer('image/png')
  const post = (body: Uint8Array | string | null, search = '') =>
    fetch(`${url}/thumbnails${search}`, { method: 'POST', body: body as string })

  const response = await post(image, '?width=64')
  t.equal(response.status, 202)
  const { id } = (await response.json()) as { id: string }
  t.equal(response.headers.get('location'), `/thumbnails/${id}`)
  t.match(sent, [{ address: 'thumbnail', data: { id, width: 64 } }])
  t.same(readdirSync(join(dataDir, 'uploads')), [id])

  const early = await fetch(`${url}/thumbnails/${id}`)
  t.equal(early.status, 404)
  t.equal(early.headers.get('content-type'), 'application/problem+json')
  await saveThumbnail(id, image)
  const done = await fetch(`${url}/thumbnails/${id}`)
  t.equal(done.status, 200)
  t.equal(done.headers.get('content-type'), 'image/png')
  t.ok(image.equals(Buffer.from(await done.arrayBuffer())))

  t.equal((await post(image)).status, 202)
  t.match(sent[1], { data: { width: 320 } })
  // 42 bytes that claim 49 megapixels.
  const hugeGif = Buffer.from('R0lGODlhWBtYG4AAAAAAAP///yH5BAEAAAAALAAAAABYG1gbAAIBRAA7', 'base64')
  const refused: [Uint8Array | string | null, string, number][] = [
    [null, '', 400],
    ['this is text, and enough of it to be told from an image', '', 415],
    ['tiny', '', 415],
    [hugeGif, '', 422],
    [image, '?width=15', 422],
    [image, '?width=2049', 422],
    [image, '?width=wide', 422],
  ]
  for (const [body, search, status] of refused)
    t.equal((await post(body, search)).status, status, `${status} ${search}`)
  t.equal((await fetch(`${url}/thumbnails/not-a-uuid`)).status, 422)
  t.equal((await fetch(`${url}/thumbnails/..%2f..%2fflixtube.db`)).status, 422)
  t.equal(sent.length, 2)
  t.equal(readdirSync(join(dataDir, 'uploads')).length, 2, 'nothing is left of what was refused')
})

t.test('thumbnails: what could not be sent is not kept', async (t) => {
  const { url, dataDir } = await startFlixTube(t, away)
  const image = await new Jimp({ width: 4, height: 4 }).getBuffer('image/png')
  const response = await fetch(`${url}/thumbnails`, { method: 'POST', body: image })
  t.equal(response.status, 503)
  t.same(readdirSync(join(dataDir, 'uploads')), [])
})
