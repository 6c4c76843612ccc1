// How a server written by hand sends a message: a promise of its confirm.
import { randomUUID } from 'node:crypto'
import { connect } from 'amqplib'

/** @returns sends a body to the queue, and resolves with the message's id when the broker has confirmed it */
export async function openPublisher(url: string, queue: string): Promise<(body: Buffer) => Promise<string>> {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  return function publish(body) {
    const messageId = randomUUID()
    return new Promise((resolve, reject) => {
      channel.sendToQueue(queue, body, { persistent: true, contentType: 'application/json', messageId }, (error) =>
        error ? reject(error) : resolve(messageId),
      )
    })
  }
}
