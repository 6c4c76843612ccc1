// The same by hand: no schema, no retries, no logs, no reconnection.
import { connect } from 'amqplib'
import { createProgress } from './progress.ts'

const [url = '', queue = '', prefetch = '250'] = process.argv.slice(2)
const onHandled = createProgress()
const channel = await (await connect(url)).createChannel()
await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
await channel.prefetch(Number(prefetch))
await channel.consume(queue, function onMessage(message) {
  if (!message) throw new Error('the consumer was cancelled')
  // As a handler would have it.
  JSON.parse(message.content.toString())
  onHandled()
  channel.ack(message)
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
