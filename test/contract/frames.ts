import type { Test } from 'tap'
import { z } from 'zod'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import type { Client } from '../../supervisor/messaging/client.ts'
import { type FrameProxy, startFrameProxy } from '../helpers/frame-proxy.ts'
import { bench, unique } from '../helpers/messaging.ts'
import { digestOf } from '../helpers/strict-frames.ts'
import { until } from '../helpers/until.ts'

/** Seconds. */
const HEARTBEAT = 2
/** Milliseconds for which nothing goes through: longer than a heartbeat, and far from two, which end a connection. */
const HOLD = 2_200

/** A proxy in front of a broker that reads what clients send by the letter, and the broker's URL through it. */
export async function strict(t: Test, url: string): Promise<{ proxy: FrameProxy; url: string }> {
  const through = new URL(url)
  const proxy = await startFrameProxy(t, Number(through.port))
  through.port = String(proxy.port)
  return { proxy, url: through.href }
}

const aTextQueue = (name = 'frames') => defineQueue(unique(name), { data: z.object({ s: z.string() }) })

/** Sends a text, and notes that it is to arrive. */
type Send = (to: ReturnType<typeof aTextQueue>, s: string, options?: { delay: number }) => Promise<unknown>

/** All that Warren sends is whole frames, whatever goes out beside it, on any broker. */
export function frames(t: Test, direct: string): void {
  t.test('a large message beside the first one to another queue', (t) =>
    arrives(t, async (send) => {
      const big = aTextQueue()
      await send(big, 'a')
      for (const size of [8_000, 9_000, 20_000, 60_000, 70_000, 140_000]) {
        await Promise.allSettled([send(big, 'x'.repeat(size)), send(aTextQueue(), 'b')])
        await Promise.allSettled([send(big, `${'Ξ'.repeat(size)}a`), send(aTextQueue(), 'b'), send(big, 'c')])
      }
    }),
  )

  t.test('large messages while the delay network is declared', (t) =>
    arrives(t, async (send, { client }) => {
      const big = aTextQueue()
      await send(big, 'a')
      client.prepareRetries()
      const sends = [1, 2, 3].map((n) => send(big, String(n).repeat(20_000)))
      await Promise.allSettled([...sends, send(big, 'b'.repeat(20_000), { delay: 200 }), send(big, 'c'.repeat(9_000))])
    }),
  )

  t.test('many large messages beside twenty new queues', (t) =>
    arrives(t, async (send) => {
      const big = aTextQueue()
      await send(big, 'a')
      const sends = Array.from({ length: 100 }, (_, n) => send(big, String(n % 10).repeat(50_000)))
      await Promise.allSettled([...sends, ...Array.from({ length: 20 }, () => send(aTextQueue(), 'b'))])
    }),
  )

  t.test('more than the network takes for longer than a heartbeat', (t) =>
    arrives(
      t,
      async (send, { proxy }) => {
        const big = aTextQueue()
        await send(big, 'a')
        proxy.hold()
        const sends = Array.from({ length: 120 }, (_, n) => send(big, String(n % 10).repeat(100_000)))
        const start = performance.now()
        await until(() => performance.now() - start > HOLD, { what: 'the time to pass' })
        proxy.release()
        await Promise.allSettled(sends)
      },
      `heartbeat=${HEARTBEAT}`,
    ),
  )

  async function arrives(
    t: Test,
    sends: (send: Send, over: { client: Client; proxy: FrameProxy }) => Promise<void>,
    parameter = '',
  ): Promise<void> {
    const { proxy, url } = await strict(t, direct)
    const client = await bench(t, `${url}?${parameter}`).client()
    const bus = client.bus()
    const found: string[] = []
    const expected: string[] = []
    const failed: unknown[] = []
    proxy.onMessage = ({ digest }) => found.push(digest)
    function send(...[to, s, options = { delay: 0 }]: Parameters<Send>): Promise<unknown> {
      expected.push(digestOf(Buffer.from(JSON.stringify({ s }))))
      return bus.send(to, { s }, options).catch((error: unknown) => failed.push(error))
    }
    await sends(send, { client, proxy })
    t.same(failed, [], 'all are confirmed')
    t.same(found.sort(), expected.sort(), 'each body is as it was sent')
    t.same(proxy.violations, [])
  }
}
