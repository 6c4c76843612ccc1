import { type Argument, type MethodName, method } from './bytes.ts'
import { type Account, type Client, openClient } from './client.ts'
import type { Stage } from './player.ts'

/** Fetches all that is in the queues that a round knows, and deletes them. @returns what should not be */
export async function drain(account: Account, { names, ledger }: Stage): Promise<string[]> {
  const faults: string[] = []
  let isRefused = false
  for (const queue of names.queues) {
    const client = open()
    let isEmpty = false
    while (client.isOpen && !isEmpty) {
      const done = client.next(1, 'basic.get-empty').then((empty) => empty !== undefined)
      // Many at once, and an answer behind them: a queue may refuse.
      for (let i = 0; i < 20; i++) client.send(method(1, 'basic.get', { queue, noAck: true }))
      const answered = ask(client, 2, 'basic.qos', 'basic.qos-ok')
      isEmpty = await Promise.race([done, answered.then(() => false)])
      if (isRefused) break
    }
    await ask(client, 2, 'queue.delete', 'queue.delete-ok', { queue })
    client.cut()
    await client.closed
  }
  return faults

  function open(): Client {
    isRefused = false
    const client = openClient(account, {
      onDelivery(delivery) {
        const problem = ledger.problem(delivery)
        if (problem) faults.push(`at the end there was ${problem}`)
      },
      onMethod(_, name, payload) {
        if (name.endsWith('.close')) isRefused = true
        if (name.endsWith('.close') && payload.readUInt16BE(4) === 541)
          faults.push(`541: ${payload.toString('latin1', 7)}`)
      },
      onFault: (what) => void faults.push(what),
    })
    client.send(method(1, 'channel.open'), method(2, 'channel.open'))
    return client
  }
}

async function ask(
  client: Client,
  channel: number,
  name: MethodName,
  answer: MethodName,
  values: Record<string, Argument> = {},
): Promise<void> {
  const answered = client.next(channel, answer)
  client.send(method(channel, name, values))
  await answered
}
