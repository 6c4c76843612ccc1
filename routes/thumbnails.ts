import { randomUUID } from 'node:crypto'
import { Hono } from 'hono'
import { type FrontDoor, param, problem, query } from 'warren'
import { z } from 'zod'
import { thumbnail } from '../workers/messages/flixtube.ts'
import { claimedPixels, IMAGE_HEAD_BYTES, IMAGE_TYPES, imageType, MAX_PIXELS } from '../workers/stores/images.ts'
import { removeUpload, saveUpload, thumbnailPath } from '../workers/stores/thumbnails.ts'
import { prepareFile } from './files/send-file.ts'

const size = z.object({ width: z.coerce.number().int().min(16).max(2048).default(320) })

export default new Hono<FrontDoor>()
  .post('/', query(size), async function orderThumbnail(c) {
    const id: string = randomUUID()
    await saveUpload(id, imageOnly(c.req.raw.body))
    try {
      await c.var.bus.send(thumbnail, { id, width: c.req.valid('query').width })
    } catch (error) {
      // Nobody will ever ask for it.
      await removeUpload(id)
      throw error
    }
    return c.json({ id }, 202, { location: `/thumbnails/${id}` })
  })
  .get('/:id', param(z.object({ id: z.uuid() })), async function sendThumbnail(c) {
    const path = thumbnailPath(c.req.valid('param').id)
    return (await prepareFile(c, path, 'image/png', 'No such thumbnail, or not yet')).send()
  })

/** Passes an image through, and refuses by its first bytes anything else, and what claims to be too large. */
async function* imageOnly(chunks: AsyncIterable<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  let head = Buffer.alloc(0)
  let known = false
  for await (const chunk of chunks ?? []) {
    if (known) {
      yield chunk
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < IMAGE_HEAD_BYTES) continue
    requireImage(head)
    known = true
    yield head
  }
  if (head.length === 0) throw problem(400, 'Empty body', `Send the bytes of an image (${IMAGE_TYPES}) as the body.`)
  if (known) return
  requireImage(head)
  yield head
}

function requireImage(head: Buffer): void {
  if (!imageType(head)) {
    throw problem(
      415,
      'Unsupported media type',
      `Expected an image (${IMAGE_TYPES}) by its first bytes, found another.`,
    )
  }
  const pixels = claimedPixels(head) ?? 0
  if (pixels > MAX_PIXELS) {
    throw problem(422, 'Image too large', `The image has ${pixels} pixels; at most ${MAX_PIXELS} are taken.`)
  }
}
