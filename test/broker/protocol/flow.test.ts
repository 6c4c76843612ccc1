import { PassThrough } from 'node:stream'
import t from 'tap'
import { readFrames } from '../../../supervisor/amqp/frames.ts'
import { createFlow } from '../../../supervisor/broker/protocol/flow.ts'
import { createFrameTurns } from '../../../supervisor/broker/protocol/frame-turns.ts'

const FRAMES = 100

t.test('what one client sends at once is dealt with in several turns of the event loop', async (t) => {
  let handled = 0
  const all = new Promise<void>((resolve) => {
    const reader = readFrames(4_096, function onFrame() {
      flow.onFrame()
      // As a message for many queues does.
      for (const began = performance.now(); performance.now() - began < 1; );
      if (++handled === FRAMES) resolve()
    })
    const flow = createFlow(new PassThrough() as never, reader, {
      inFlightMax: 1_000,
      turns: createFrameTurns((error) => void t.fail(String(error))),
      fail: (error) => void t.fail(String(error)),
    })
    // Type, channel, size, payload and end: a method frame with four bytes.
    reader.push(Buffer.alloc(FRAMES * 12, Buffer.from([1, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0xce])))
  })
  t.ok(handled > 0 && handled < FRAMES / 2, `${handled} of ${FRAMES} in the first turn`)
  await all
})
