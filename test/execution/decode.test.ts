import { deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { decode } from '../../supervisor/execution/decode.ts'

const decoded = async (body: Uint8Array, encoding?: string) => decode({ body, encoding, unreadable: [] }, 'The message')
const json = Buffer.from('{"a":"Ξ"}')

t.test('JSON in UTF-8, with or without a byte order mark', async (t) => {
  t.same(await decoded(json), { a: 'Ξ' })
  t.same(await decoded(new Uint8Array(json)), { a: 'Ξ' }, 'bytes from a thread')
  t.same(await decoded(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), json])), { a: 'Ξ' })
  t.same(await decoded(Buffer.from('"\ufffd"')), '\ufffd', 'the replacement character may be sent')
  await t.rejects(decoded(Buffer.from('{"a":"\xe9"}', 'latin1')), { message: /expected UTF-8, found other bytes/ })
  await t.rejects(decoded(Buffer.from('no')), { name: 'InvalidMessageError', message: /expected JSON/ })
})

t.test('content-encoding', async (t) => {
  for (const plain of ['utf-8', 'UTF-8', 'identity', 'binary', ''])
    t.same(await decoded(json, plain), { a: 'Ξ' }, plain)
  t.same(await decoded(gzipSync(json), 'gzip'), { a: 'Ξ' })
  t.same(await decoded(deflateSync(json), 'deflate'), { a: 'Ξ' })
  await t.rejects(decoded(json, 'br'), { message: /expected content-encoding gzip, deflate or none, found 'br'/ })
  await t.rejects(decoded(json, 'gzip'), { name: 'InvalidMessageError', message: /expected gzip/ })
  await t.rejects(decoded(gzipSync(json).subarray(0, 20), 'gzip'), { name: 'InvalidMessageError' })
  const bomb = gzipSync(Buffer.alloc(17 * 1024 * 1024, ' '))
  await t.rejects(decoded(bomb, 'gzip'), { message: /at most 16777216 bytes once inflated/ })
})
