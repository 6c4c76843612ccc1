// Warren's sending side: the bus, as a route or a handler has it, with a request's id on each message.
import { randomUUID } from 'node:crypto'
import { connect } from 'amqplib'
import { pino } from 'pino'
import { defineFanout, defineQueue } from '../../../supervisor/base/definitions.ts'
import { openClient } from '../../../supervisor/messaging/client.ts'
import { clientReady } from '../../helpers/messaging.ts'
import { answerCalls } from './host.ts'
import { now, payload, payloadOf, result } from './payload.ts'
import { callMany, sendMany, sendSteadily } from './send.ts'

const [url = ''] = process.argv.slice(2)
const client = openClient({ urls: [url], name: 'bench', log: pino({ level: 'fatal' }) })
await clientReady(client)
const bus = client.bus({ requestId: randomUUID() })
const admin = await (await connect(url)).createChannel()

answerCalls({
  declare: async () => {},
  declareRetried: async () => {},
  purge: (queue: string) => admin.purgeQueue(queue),

  publish(name: string, count: number, bytes: number) {
    const queue = defineQueue(name, { data: payload })
    const data = payloadOf(bytes)
    return sendMany(count, () => bus.send(queue, { ...data, at: now() }))
  },

  pace(name: string, count: number, perSecond: number, bytes: number) {
    const queue = defineQueue(name, { data: payload })
    const data = payloadOf(bytes)
    return sendSteadily(count, perSecond, () => bus.send(queue, { ...data, at: now() }))
  },

  broadcast(name: string, count: number, bytes: number) {
    const fanout = defineFanout(name, { data: payload })
    const data = payloadOf(bytes)
    return sendMany(count, () => bus.publish(fanout, { ...data, at: now() }))
  },

  call(name: string, count: number, bytes: number, callers: number) {
    const queue = defineQueue(name, { data: payload, result })
    const data = payloadOf(bytes)
    return callMany(count, callers, () => bus.call(queue, { ...data, at: now() }))
  },
})
