import type { z } from 'zod'
import type { Bus, SendOptions, Sent } from './bus.ts'
import type { Address, QueueDefinition } from './definitions.ts'
import { DURATION_FORMAT, MAX_DELAY_MS, MAX_TIMER_MS, parseDuration } from './durations.ts'
import { ValidationError } from './errors.ts'
import { encodeJson } from './json.ts'
import { type Envelope, REQUEST_ID_HEADER, type Transport } from './message.ts'
import { uuidv7 } from './uuid.ts'
import { validate } from './validate.ts'

const CALL_TIMEOUT = '30s'

/** A bus over any transport; what it sends carries the request's id, where there is one. */
export function createBus(transport: Transport, { requestId }: { requestId?: string | undefined } = {}): Bus {
  const headers = requestId === undefined ? {} : { [REQUEST_ID_HEADER]: requestId }

  // The data is checked against its schema but sent as it was given: transforms run once, at the handler.
  function check(address: Address, data: unknown): unknown {
    return validate(address.data, data, `The data for ${address.kind} '${address.name}'`)
  }

  function envelope({ kind, name }: Address, data: unknown, options: SendOptions, mandatory: boolean): Envelope {
    const { id = uuidv7(), delay } = options
    if (typeof id !== 'string' || id === '' || Buffer.byteLength(id) > 255) {
      throw new ValidationError(`The id for ${kind} '${name}'`, [
        { path: 'id', message: 'expected 1 to 255 bytes of text' },
      ])
    }
    const delayMs = delay === undefined ? 0 : parseDuration(delay)
    if (delayMs === undefined || delayMs > MAX_DELAY_MS) {
      throw new ValidationError(`The delay for ${kind} '${name}'`, [
        { path: 'delay', message: `expected ${DURATION_FORMAT}, up to 310 days` },
      ])
    }
    const body = Buffer.from(encodeJson(data, `The data for ${kind} '${name}'`))
    return { id, address: { kind, name }, body, headers, mandatory, delayMs }
  }

  async function deliver(address: Address, data: unknown, options: SendOptions, mandatory: boolean): Promise<Sent> {
    const checked = check(address, data)
    if (checked instanceof Promise) await checked
    const message = envelope(address, data, options, mandatory)
    await transport.deliver(message)
    return { id: message.id }
  }

  return {
    send: (queue, data, options = {}) => deliver(queue, data, options, true),
    publish: (fanout, data, options = {}) => deliver(fanout, data, options, options.mandatory ?? true),

    async call<D extends z.ZodType, R extends z.ZodType>(
      queue: QueueDefinition<D, R>,
      data: z.input<D>,
      options: SendOptions & { timeout?: number | string } = {},
    ) {
      const what = `The call of queue '${queue.name}'`
      const timeout = parseDuration(options.timeout ?? CALL_TIMEOUT)
      if (timeout === undefined || timeout < 1 || timeout > MAX_TIMER_MS) {
        throw new ValidationError(what, [{ path: 'timeout', message: `expected ${DURATION_FORMAT}` }])
      }
      if ('delay' in options)
        throw new ValidationError(what, [{ path: 'delay', message: 'expected none: a call waits for its result' }])
      if (!queue.result)
        throw new ValidationError(what, [{ path: 'result', message: 'expected a queue with a result schema' }])
      await check(queue, data)
      const reply = await transport.request(envelope(queue, data, options, true), timeout)
      return validate(queue.result, JSON.parse(Buffer.from(reply).toString()), `The result of queue '${queue.name}'`)
    },
  }
}
