import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync, gzipSync } from 'node:zlib'
import type { GetMessage } from 'amqplib'
import type { Test } from 'tap'
import { compiledProject } from '../helpers/compiled-project.ts'
import { bench, unique } from '../helpers/messaging.ts'
import { superviseWorker } from '../helpers/supervised-worker.ts'
import { until } from '../helpers/until.ts'

/** Notes the text that it gets. */
const worker = (queue: string, threads: number) => `
import { appendFileSync } from 'node:fs'
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

export default defineWorker(defineQueue('${queue}', { data: z.object({ text: z.string() }) }), {
  threads: ${threads},
  handler: async ({ text }) => appendFileSync('handled', text + '\\n'),
})
`

const LATIN_1 = Buffer.from('{"text":"caf\xe9"}', 'latin1')

/** By the text that arrives: a body, and its content-encoding. */
const READABLE: Record<string, readonly [Buffer, string?]> = {
  café: [Buffer.from('{"text":"café"}')],
  'with a byte order mark': [Buffer.from('\ufeff{"text":"with a byte order mark"}')],
  zipped: [gzipSync('{"text":"zipped"}'), 'gzip'],
  deflated: [deflateSync('{"text":"deflated"}'), 'deflate'],
  'as it is': [Buffer.from('{"text":"as it is"}'), 'utf-8'],
}

/** By what the dead letter says of it. */
const UNREADABLE: Record<string, readonly [Buffer, string?]> = {
  'expected UTF-8, found other bytes': [LATIN_1],
  'expected UTF-8, found other bytes once inflated': [gzipSync(LATIN_1), 'gzip'],
  'expected gzip as its content-encoding says': [Buffer.from('{"text":"plain"}'), 'gzip'],
  "expected content-encoding gzip, deflate or none, found 'br'": [Buffer.from('{"text":"brotli"}'), 'br'],
}

/** How the bodies of other clients are read, on any broker: as they say, or not at all. */
export function foreignBodies(t: Test, url: string): void {
  for (const [where, threads] of [
    ['in the event loop', 0],
    ['in a thread', 1],
  ] as const) {
    t.test(
      `a body that is not UTF-8 or not in a known encoding is a dead letter, and no other is, ${where}`,
      async (t) => {
        const name = unique('bodies')
        const root = compiledProject(t, { 'workers/reader.ts': worker(name, threads) })
        const { channel } = bench(t, url)
        const running = superviseWorker(t, { root, name: 'reader', url })
        const raw = await channel()
        const isThere = () =>
          channel()
            .then((other) => Promise.all([other.checkQueue(name), other.checkQueue(`${name}.dead`)]))
            .then(Boolean, () => false)
        await until(isThere, { what: 'the queues' })
        for (const [text, [body, contentEncoding]] of Object.entries({ ...READABLE, ...UNREADABLE })) {
          raw.sendToQueue(name, body, { messageId: text, ...(contentEncoding && { contentEncoding }) })
        }

        const unreadable = Object.entries(UNREADABLE)
        const handled = () =>
          existsSync(join(root, 'handled')) ? readFileSync(join(root, 'handled'), 'utf8').trim().split('\n').sort() : []
        const ended = async () => handled().length + (await raw.checkQueue(`${name}.dead`)).messageCount
        await until(async () => (await ended()) >= Object.keys(READABLE).length + unreadable.length, {
          what: 'the ends',
        })
        t.same(handled(), Object.keys(READABLE).sort())
        const letters = new Map<string, GetMessage>()
        for (const _ of unreadable) {
          const letter = await raw.get(`${name}.dead`, { noAck: true })
          if (letter) letters.set(letter.properties.messageId, letter)
        }
        for (const [reason, [body]] of unreadable) {
          const { content, properties } = letters.get(reason) ?? {}
          t.same(content, body, `${reason}: its body is untouched`)
          t.match(properties?.headers, { 'x-dead-reason': 'invalid', 'x-dead-attempts': 1 })
          const said = String(properties?.headers?.['x-dead-message'])
          t.ok(said.includes(reason.replace(' once inflated', '')), said)
        }
        t.equal(running.ended, 0)
        await running.stop()
      },
    )
  }
}
