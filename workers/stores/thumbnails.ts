import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { dataDir } from './data-dir.ts'

// Both kinds are files in the data folder. Each is written under another name and renamed once it is whole, so that
// nobody ever reads half an image.

/** The uploaded image of this id. */
export function uploadPath(id: string): string {
  return join(dataDir(), 'uploads', id)
}

/** The finished thumbnail of this id. */
export function thumbnailPath(id: string): string {
  return join(dataDir(), 'thumbnails', `${id}.png`)
}

/** Stores an upload as its chunks come, without ever holding all of it in memory. */
export async function saveUpload(id: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  await saveWhole(uploadPath(id), async (path) => {
    // Opened first: a stream that still opens its file while the chunks fail would make it after its removal.
    const file = await open(path, 'w')
    await pipeline(chunks, file.createWriteStream({ flush: true }))
  })
}

/** The upload's bytes, or undefined if there is none. */
export async function readUpload(id: string): Promise<Buffer | undefined> {
  try {
    return await readFile(uploadPath(id))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export async function removeUpload(id: string): Promise<void> {
  await rm(uploadPath(id), { force: true })
}

export async function saveThumbnail(id: string, png: Uint8Array): Promise<void> {
  await saveWhole(thumbnailPath(id), (path) => writeFile(path, png, { flush: true }))
}

/** The bytes of a finished thumbnail, or undefined if there is none yet. */
export async function thumbnailSize(id: string): Promise<number | undefined> {
  return (await stat(thumbnailPath(id)).catch(() => undefined))?.size
}

async function saveWhole(path: string, save: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}.${Date.now()}.tmp`
  await mkdir(join(path, '..'), { recursive: true })
  try {
    await save(temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
