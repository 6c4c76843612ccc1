/** The queue that is none: whoever consumes from it gets the replies to what it publishes (RabbitMQ, "Direct Reply-to"). */
export const REPLY_TO = 'amq.rabbitmq.reply-to'

const PREFIX = `${REPLY_TO}.`

export function replyAddress(token: string): string {
  return PREFIX + token
}

/** The token in a reply's routing key, or in the name of a queue that is asked for. */
export function replyToken(name: string): string | undefined {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : undefined
}
