import type { Address } from '../base/definitions.ts'
import { ATTEMPT_HEADER, DUE_HEADER, type Envelope, type Headers, LIFE_HEADER } from '../base/message.ts'
import { delayRoute, fanoutDestination } from './delay.ts'
import type { Link } from './link.ts'
import type { Outgoing } from './publisher.ts'

/** How messages get to an address: what is the same for all of them, made once. */
export interface Route {
  readonly isQueue: boolean
  readonly exchange: string
  readonly routingKey: string
  /** Where the delay network is to deliver. */
  readonly destination: string
  /** What errors call the address: `queue 'thumbnail'`. */
  readonly described: string
  /** What to do where nobody takes a message. */
  readonly hint: string
  readonly onUnroutable: () => void
  /** The connection on which the address is known to be declared. */
  declaredOn: Link | undefined
}

export interface Routes {
  of(address: Envelope['address']): Route
}

/** The routes of all addresses that a process sends to. @param forget told that the broker has no queue for one */
export function createRoutes(forget: (route: Route) => void): Routes {
  const known = { queue: new Map<string, Route>(), fanout: new Map<string, Route>() }

  function routeTo({ kind, name }: Envelope['address']): Route {
    const isQueue = kind === 'queue'
    const route: Route = {
      isQueue,
      exchange: isQueue ? '' : name,
      routingKey: isQueue ? name : '',
      destination: isQueue ? name : fanoutDestination(name),
      described: describe({ kind, name }),
      hint: isQueue
        ? 'It was deleted meanwhile: send again, which declares it.'
        : 'Nobody subscribes to it: add a worker for it, or publish with { mandatory: false } if that is as it should be.',
      onUnroutable: () => forget(route),
      declaredOn: undefined,
    }
    return route
  }

  return {
    of(address) {
      const routes = known[address.kind]
      const route = routes.get(address.name) ?? routeTo(address)
      routes.set(address.name, route)
      return route
    },
  }
}

/** A bus's message, ready for the wire. */
export function outgoing(
  { id, address, body, headers, mandatory, delayMs }: Envelope,
  route: Route,
  extra?: Partial<Outgoing['properties']>,
): Outgoing {
  const later = delayMs > 0 ? delayRoute(delayMs, route.destination) : route
  const own = { [ATTEMPT_HEADER]: 1, [LIFE_HEADER]: 0, ...headers }
  const properties: Outgoing['properties'] = {
    contentType: 'application/json',
    messageId: id,
    timestamp: Math.floor(Date.now() / 1000),
    type: address.name,
    appId: 'warren',
    headers: delayMs > 0 ? { ...own, ...dueIn(delayMs) } : own,
    persistent: true,
    // In the delay network nothing may get lost, whoever subscribes when it comes out of it.
    mandatory: mandatory || delayMs > 0,
  }
  return {
    exchange: later.exchange,
    routingKey: later.routingKey,
    body: Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    properties: extra ? { ...properties, ...extra } : properties,
    address: route.described,
    unroutable: route.hint,
    onUnroutable: route.onUnroutable,
  }
}

/** The header of a message that arrives later: it may wait for 310 days, and nothing else tells when it is due. */
export function dueIn(delayMs: number): Headers {
  return { [DUE_HEADER]: Date.now() + Math.ceil(delayMs) }
}

/** What errors call an address: `queue 'thumbnail'`. */
export function describe({ kind, name }: Pick<Address, 'kind' | 'name'>): string {
  return `${kind} '${name}'`
}
