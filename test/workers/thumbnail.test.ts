import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Jimp } from 'jimp'
import t from 'tap'
import type { Context } from '../../supervisor/base/definitions.ts'
import { UnrecoverableError } from '../../supervisor/base/errors.ts'
import { imageType } from '../../workers/stores/images.ts'
import { saveUpload, thumbnailPath, uploadPath } from '../../workers/stores/thumbnails.ts'
import worker from '../../workers/thumbnail.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

process.env.DATA_DIR = temporaryFolder(t)

async function* chunksOf(bytes: Buffer) {
  for (let i = 0; i < bytes.length; i += 65_536) yield bytes.subarray(i, i + 65_536)
}

async function makeThumbnail(upload: Buffer | undefined, width: number, id: string = randomUUID()) {
  if (upload) await saveUpload(id, chunksOf(upload))
  const handler = worker.handler as (data: unknown, context: Context) => Promise<{ path: string; bytes: number }>
  return { id, result: await handler({ id, width }, {} as Context) }
}

t.test('a JPEG of 12 megapixels', async (t) => {
  const photo = new Jimp({ width: 4_000, height: 3_000 })
  // Something to pack: noise would take too long, one colour would be too easy.
  for (let i = 0; i < photo.bitmap.data.length; i++) photo.bitmap.data[i] = i % 4 === 3 ? 255 : (i >> 5) ^ (i >> 13)
  const upload = await photo.getBuffer('image/jpeg', { quality: 85 })

  const start = performance.now()
  const { id, result } = await makeThumbnail(upload, 320)
  t.comment(`${Math.round(performance.now() - start)} ms for ${upload.length} bytes`)

  const png = await readFile(thumbnailPath(id))
  t.same(result, { path: `thumbnails/${id}.png`, bytes: png.length })
  t.match(await Jimp.fromBuffer(png), { width: 320, height: 240 })
  t.equal(imageType(png), 'png')
  t.notOk(existsSync(uploadPath(id)), 'the upload is not needed any more')

  t.same((await makeThumbnail(undefined, 320, id)).result, result, 'the same message once more')
})

t.test('shapes', async (t) => {
  const wide = await new Jimp({ width: 300, height: 100 }).getBuffer('image/png')
  const cases: [Buffer, number, number, number][] = [
    [wide, 150, 150, 50],
    [wide, 600, 600, 200],
    [await new Jimp({ width: 2_000, height: 1 }).getBuffer('image/png'), 16, 16, 1],
    [await new Jimp({ width: 1, height: 100 }).getBuffer('image/gif'), 2_048, 82, 8_192],
  ]
  for (const [upload, width, expectedWidth, expectedHeight] of cases) {
    const { id } = await makeThumbnail(upload, width)
    const found = await Jimp.fromBuffer(await readFile(thumbnailPath(id)))
    t.match(found, { width: expectedWidth, height: expectedHeight })
  }
})

t.test('what can never become a thumbnail', async (t) => {
  const png = await new Jimp({ width: 30, height: 30 }).getBuffer('image/png')
  const bomb = Buffer.from(png)
  bomb.writeUInt32BE(100_000, 16)
  bomb.writeUInt32BE(100_000, 20)
  const cases: [string, Buffer | undefined, RegExp][] = [
    ['no upload', undefined, /There is no upload/],
    ['half an image', png.subarray(0, 60), /can't be read/],
    ['a head of a JPEG', Buffer.from(`\xff\xd8\xff\xe0${'x'.repeat(50)}`, 'latin1'), /can't be read/],
    ['billions of pixels', bomb, /10000000000 pixels; at most 50000000/],
  ]
  for (const [what, upload, message] of cases) {
    await t.rejects(makeThumbnail(upload, 320), { name: UnrecoverableError.name, message }, what)
  }
})
