/** The images that the thumbnail worker reads. */
export const IMAGE_TYPES = 'JPEG, PNG, GIF'

/** How many of its first bytes tell an image's type and, unless much else comes before it, its size. */
export const IMAGE_HEAD_BYTES = 4_096

/** The pixels of the largest image that is read: 24 megapixels, as of a camera, take about five seconds. */
export const MAX_PIXELS = 25_000_000

/** What an image is by its first bytes, not by what its sender calls it; undefined: none that can be read here. */
export function imageType(head: Buffer): 'jpeg' | 'png' | 'gif' | undefined {
  if (head.length < 12) return undefined
  if (head.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return 'jpeg'
  if (head.subarray(0, 8).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))) return 'png'
  if (/^GIF8[79]a$/.test(head.toString('latin1', 0, 6))) return 'gif'
  return undefined
}

/**
 * The pixels that an image says it has, before any is unpacked: a few bytes can claim billions, and unpacking takes its time
 * by that. Undefined: the bytes don't tell, or are of no image.
 */
export function claimedPixels(head: Buffer): number | undefined {
  try {
    switch (imageType(head)) {
      case 'png':
        return head.readUInt32BE(16) * head.readUInt32BE(20)
      case 'gif':
        return gifPixels(head)
      case 'jpeg':
        return jpegPixels(head)
    }
  } catch {
    // It ends before it tells.
  }
  return undefined
}

/** The larger one of the canvas and the first frame, which need not fit into it. */
function gifPixels(head: Buffer): number {
  const canvas = head.readUInt16LE(6) * head.readUInt16LE(8)
  const flags = head.readUInt8(10)
  const colors = flags & 0x80 ? 2 << (flags & 7) : 0
  let at = 13 + 3 * colors
  // What comes before the frame: extensions, a label and a chain of blocks each.
  while (head[at] === 0x21) {
    at += 2
    for (let length = head[at]; length; length = head[at]) at += 1 + length
    at += 1
  }
  if (head[at] !== 0x2c || at + 9 > head.length) return canvas
  return Math.max(canvas, head.readUInt16LE(at + 5) * head.readUInt16LE(at + 7))
}

/** From the segment that begins the frame; others, such as what the camera adds, come before it. */
function jpegPixels(head: Buffer): number | undefined {
  let at = 2
  while (head.readUInt8(at) === 0xff) {
    const marker = head.readUInt8(at + 1)
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame) return head.readUInt16BE(at + 5) * head.readUInt16BE(at + 7)
    // 0xff may be repeated in front of a marker.
    at += marker === 0xff ? 1 : 2 + head.readUInt16BE(at + 2)
  }
  return undefined
}
