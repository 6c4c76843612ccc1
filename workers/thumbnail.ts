import { defineWorker, UnrecoverableError } from 'warren'
import { thumbnail } from './messages/flixtube.ts'
import { claimedPixels, MAX_PIXELS } from './stores/images.ts'
import { readUpload, removeUpload, saveThumbnail, thumbnailSize } from './stores/thumbnails.ts'

/** The tallest thumbnail; an image of one column would otherwise be two thousand times as tall. */
const MAX_HEIGHT = 8_192

export default defineWorker(thumbnail, {
  // Unpacking a JPEG of 12 megapixels keeps a CPU busy for one to two seconds.
  threads: 2,
  timeout: '20s',
  memoryLimitMb: 256,
  scale: { min: 0, max: 4, messagesPerInstance: 100 },
  handler: async function makeThumbnail({ id, width }) {
    const upload = await readUpload(id)
    const path = `thumbnails/${id}.png`
    if (!upload) {
      // The message came again after all was done, and only its acknowledgement was lost.
      const bytes = await thumbnailSize(id)
      if (bytes === undefined) throw new UnrecoverableError(`There is no upload ${id}.`)
      return { path, bytes }
    }

    const png = await resize(upload, width)
    await saveThumbnail(id, png)
    await removeUpload(id)
    return { path, bytes: png.length }
  },
})

async function resize(upload: Buffer, width: number): Promise<Buffer> {
  const image = await decode(upload)
  const height = Math.max(1, Math.round((image.height * width) / image.width))
  if (height <= MAX_HEIGHT) image.resize({ w: width, h: height })
  else image.resize({ w: Math.max(1, Math.round((image.width * MAX_HEIGHT) / image.height)), h: MAX_HEIGHT })
  return image.getBuffer('image/png')
}

async function decode(upload: Buffer) {
  const pixels = claimedPixels(upload)
  if (pixels !== undefined && pixels > MAX_PIXELS) {
    throw new UnrecoverableError(`The image has ${pixels} pixels; at most ${MAX_PIXELS} are taken.`)
  }
  // Imported here, the library is loaded by the threads that need it and not by the process that feeds them.
  const { Jimp } = await import('jimp')
  try {
    return await Jimp.fromBuffer(upload, {
      // Four bytes each, beside the thread's heap limit: 100 MB.
      'image/jpeg': { maxResolutionInMP: MAX_PIXELS / 1e6, maxMemoryUsageInMB: 1_024 },
    })
  } catch (error) {
    throw new UnrecoverableError(`The image can't be read: ${(error as Error).message}`, { cause: error })
  }
}
