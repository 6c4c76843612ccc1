import { decodeTable, type Table } from '../../amqp/fields.ts'
import { encodeMethod, type Method } from '../../amqp/methods.ts'
import { AmqpError, VHOST } from '../errors.ts'
import type { BrokerContext } from './context.ts'

/** What was agreed on when a connection is open. */
export interface Session {
  readonly user: string
  /** Bytes; 0 for no limit. */
  readonly frameMax: number
  readonly channelMax: number
  /** Seconds; 0 for none. */
  readonly heartbeat: number
  readonly capabilities: Table
}

/** Lower limits are refused (AMQP 0-9-1, 4.2.3). */
const FRAME_MIN = 4096

const CAPABILITIES: Table = {
  publisher_confirms: true,
  exchange_exchange_bindings: true,
  'basic.nack': true,
  consumer_cancel_notify: true,
  'connection.blocked': true,
  consumer_priorities: true,
  authentication_failure_close: true,
  per_consumer_qos: true,
  direct_reply_to: true,
}

/** Another user or password. */
export class LoginRefused extends AmqpError {
  constructor(mechanism: string) {
    super(403, `Login was refused using authentication mechanism ${mechanism}. For details see the broker logfile.`)
  }
}

/** The steps from `connection.start` to `connection.open`. */
export interface Handshake {
  start(): void
  /** @returns the session once the connection is open */
  onMethod(method: Method): Session | undefined
}

export interface HandshakeOptions {
  write(frame: Buffer): void
  /** Called when all has been agreed on. @throws AmqpError where there are too many connections */
  admit(): void
}

export function createHandshake(context: BrokerContext, { write, admit }: HandshakeOptions): Handshake {
  const { limits } = context
  let expected: 'connection.start-ok' | 'connection.tune-ok' | 'connection.open' = 'connection.start-ok'
  let user = ''
  let capabilities: Table = {}
  let tuned = { frameMax: limits.frameMax, channelMax: limits.channelMax, heartbeat: limits.heartbeat }

  function logIn({ mechanism, response, clientProperties }: Method<'connection.start-ok'>): void {
    const credentials =
      mechanism === 'PLAIN' ? plain(response) : mechanism === 'AMQPLAIN' ? amqplain(response) : undefined
    if (!credentials || !context.authenticate(credentials.user, credentials.password)) {
      throw new LoginRefused(mechanism)
    }
    user = credentials.user
    const said = clientProperties.capabilities
    if (said !== null && typeof said === 'object' && !Array.isArray(said)) capabilities = said as Table
  }

  function tune({ frameMax, channelMax, heartbeat }: Method<'connection.tune-ok'>): void {
    if (frameMax !== 0 && frameMax < FRAME_MIN) {
      throw new AmqpError(
        530,
        `negotiated frame_max = ${frameMax} is lower than the minimum allowed value (${FRAME_MIN})`,
      )
    }
    if (frameMax > limits.frameMax) {
      throw new AmqpError(
        530,
        `negotiated frame_max = ${frameMax} is higher than the maximum allowed value (${limits.frameMax})`,
      )
    }
    if (channelMax > limits.channelMax) {
      throw new AmqpError(
        530,
        `negotiated channel_max = ${channelMax} is higher than the maximum allowed value (${limits.channelMax})`,
      )
    }
    tuned = { frameMax: frameMax || limits.frameMax, channelMax: channelMax || limits.channelMax, heartbeat }
  }

  return {
    start() {
      const serverProperties = { capabilities: CAPABILITIES, product: 'Warren', platform: 'Node.js' }
      const offer = { versionMajor: 0, versionMinor: 9, mechanisms: 'AMQPLAIN PLAIN', locales: 'en_US' }
      write(encodeMethod(0, { name: 'connection.start', serverProperties, ...offer }))
    },

    onMethod(method) {
      if (method.name !== expected) throw new AmqpError(503, `expected '${expected}', got '${method.name}'`)
      if (method.name === 'connection.start-ok') {
        logIn(method)
        expected = 'connection.tune-ok'
        const { channelMax, frameMax, heartbeat } = limits
        write(encodeMethod(0, { name: 'connection.tune', channelMax, frameMax, heartbeat }))
        return undefined
      }
      if (method.name === 'connection.tune-ok') {
        tune(method)
        expected = 'connection.open'
        return undefined
      }
      if ((method as Method<'connection.open'>).virtualHost !== VHOST) {
        throw new AmqpError(530, `vhost ${(method as Method<'connection.open'>).virtualHost} not found`)
      }
      admit()
      write(encodeMethod(0, { name: 'connection.open-ok' }))
      return { user, capabilities, ...tuned }
    },
  }
}

interface Credentials {
  readonly user: string
  readonly password: string
}

/** RFC 4616: authorization identity, user and password, each after a NUL but the first. */
function plain(response: Buffer): Credentials | undefined {
  const [, user, password, ...rest] = response.toString('utf8').split('\0')
  return user !== undefined && password !== undefined && rest.length === 0 ? { user, password } : undefined
}

/** A field table without its length (the specification's AMQPLAIN, as RabbitMQ has it). */
function amqplain(response: Buffer): Credentials | undefined {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(response.length)
  const { LOGIN: user, PASSWORD: password } = decodeTable(Buffer.concat([length, response]), 0).table
  return typeof user === 'string' && typeof password === 'string' ? { user, password } : undefined
}
