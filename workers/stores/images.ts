/** The images that the thumbnail worker reads. */
export const IMAGE_TYPES = 'JPEG, PNG, GIF'

/** How many of its first bytes tell an image's type and size. */
export const IMAGE_HEAD_BYTES = 24

/** What an image is by its first bytes, not by what its sender calls it; undefined: none that can be read here. */
export function imageType(head: Buffer): 'jpeg' | 'png' | 'gif' | undefined {
  if (head.length < 12) return undefined
  if (head.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return 'jpeg'
  if (head.subarray(0, 8).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))) return 'png'
  if (/^GIF8[79]a$/.test(head.toString('latin1', 0, 6))) return 'gif'
  return undefined
}

/**
 * The pixels that a PNG or GIF says it has, before any is unpacked: a small file can claim billions.
 * A JPEG tells only further in; its decoder has a limit of its own.
 */
export function claimedPixels(head: Buffer): number | undefined {
  const type = imageType(head)
  if (type === 'png' && head.length >= 24) return head.readUInt32BE(16) * head.readUInt32BE(20)
  if (type === 'gif') return head.readUInt16LE(6) * head.readUInt16LE(8)
  return undefined
}
