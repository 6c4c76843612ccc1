// How a bus in a thread or in the sandbox sends: it asks the worker's process, which has the connection.
import { type ErrorRecord, recordOf, reviveError } from '../base/error-record.ts'
import type { Envelope, Transport } from '../base/message.ts'

/** What a bus asks for. */
export type BusQuestion =
  | { type: 'deliver'; call: number; envelope: Envelope }
  | { type: 'request'; call: number; envelope: Envelope; timeoutMs: number }

/** What it is answered. */
export type BusAnswer =
  | { type: 'answer'; call: number; body: Uint8Array | undefined }
  | { type: 'refused'; call: number; error: ErrorRecord }

/** The far side: a bus's transport that asks. */
export function createRemoteTransport(post: (question: BusQuestion) => void) {
  const calls = new Map<number, { resolve(body: Uint8Array | undefined): void; reject(error: Error): void }>()
  let last = 0

  function ask(question: (call: number) => BusQuestion): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      const call = ++last
      calls.set(call, { resolve, reject })
      post(question(call))
    })
  }

  function onAnswer(answer: BusAnswer): void {
    const call = calls.get(answer.call)
    calls.delete(answer.call)
    if (answer.type === 'answer') call?.resolve(answer.body)
    else call?.reject(reviveError(answer.error))
  }

  const transport: Transport = {
    async deliver(envelope) {
      await ask((call) => ({ type: 'deliver', call, envelope }))
    },
    async request(envelope, timeoutMs) {
      return (await ask((call) => ({ type: 'request', call, envelope, timeoutMs }))) as Uint8Array
    },
  }
  return { transport, onAnswer }
}

/** The near side: does what is asked for, over the process's own connection. */
export async function answerBus(
  question: BusQuestion,
  transport: Transport,
  post: (answer: BusAnswer) => void,
): Promise<void> {
  const { call, envelope } = question
  try {
    const body =
      question.type === 'request'
        ? await transport.request(envelope, question.timeoutMs)
        : await transport.deliver(envelope)
    post({ type: 'answer', call, body: body ?? undefined })
  } catch (error) {
    post({ type: 'refused', call, error: recordOf(error) })
  }
}
