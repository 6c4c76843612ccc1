import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Jimp } from 'jimp'
import t from 'tap'
import type { Context } from '../../supervisor/base/definitions.ts'
import { UnrecoverableError } from '../../supervisor/base/errors.ts'
import { claimedPixels, IMAGE_HEAD_BYTES, imageType } from '../../workers/stores/images.ts'
import { saveUpload, thumbnailPath, uploadPath } from '../../workers/stores/thumbnails.ts'
import worker from '../../workers/thumbnail.ts'
import { randomFrom } from '../helpers/random.ts'
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

/** The smallest GIF, which claims a canvas and a frame of any size. */
function tinyGif(width: number, height: number, frameWidth = width, frameHeight = height): Buffer {
  const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')
  gif.writeUInt16LE(width, 6)
  gif.writeUInt16LE(height, 8)
  const frame = gif.indexOf(0x2c, 13)
  gif.writeUInt16LE(frameWidth, frame + 5)
  gif.writeUInt16LE(frameHeight, frame + 7)
  return gif
}

t.test('how large an image is, by its first bytes', async (t) => {
  for (const type of ['image/png', 'image/gif', 'image/jpeg'] as const) {
    const image = await new Jimp({ width: 300, height: 70, color: 0x00ff00ff }).getBuffer(type)
    t.equal(claimedPixels(image), 21_000, type)
    t.equal(claimedPixels(image.subarray(0, IMAGE_HEAD_BYTES)), 21_000, type)
    // Cut anywhere, it tells the same or nothing.
    for (let length = 0; length < Math.min(image.length, 1_000); length++) {
      const claimed = claimedPixels(image.subarray(0, length))
      if (claimed !== undefined && claimed !== 21_000) t.fail(`${type} cut to ${length} bytes: ${claimed}`)
    }
  }
  t.equal(claimedPixels(tinyGif(7_000, 7_000)), 49_000_000)
  t.equal(claimedPixels(tinyGif(10, 10, 4, 5)), 100)
  t.equal(claimedPixels(tinyGif(1, 1, 40_000, 5)), 200_000)
  t.equal(claimedPixels(Buffer.from('no image at all, but long enough')), undefined)
  // Whatever follows, it ends.
  const random = randomFrom(1)
  for (let round = 0; round < 2_000; round++) {
    const head = Buffer.from(Array.from({ length: 200 }, () => Math.floor(random() * 256)))
    Buffer.from([0xff, 0xd8, 0xff]).copy(head)
    claimedPixels(head)
    head.write('GIF89a', 'latin1')
    claimedPixels(head)
  }
})

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
  const largeJpeg = await new Jimp({ width: 30, height: 30 }).getBuffer('image/jpeg')
  largeJpeg.fill(
    0xff,
    largeJpeg.indexOf(Buffer.from([0xff, 0xc0])) + 5,
    largeJpeg.indexOf(Buffer.from([0xff, 0xc0])) + 9,
  )
  const cases: [string, Buffer | undefined, RegExp][] = [
    ['no upload', undefined, /There is no upload/],
    ['half an image', png.subarray(0, 60), /can't be read/],
    ['a head of a JPEG', Buffer.from(`\xff\xd8\xff\xe0${'x'.repeat(50)}`, 'latin1'), /can't be read/],
    ['billions of pixels', bomb, /10000000000 pixels; at most 25000000/],
    ['a GIF of 42 bytes with a large canvas', tinyGif(7_000, 7_000), /49000000 pixels; at most 25000000/],
    ['a GIF of 42 bytes with a large frame', tinyGif(1, 1, 65_535, 65_535), /4294836225 pixels/],
    ['a JPEG with a large frame', largeJpeg, /4294836225 pixels/],
  ]
  for (const [what, upload, message] of cases) {
    await t.rejects(makeThumbnail(upload, 320), { name: UnrecoverableError.name, message }, what)
  }
})
