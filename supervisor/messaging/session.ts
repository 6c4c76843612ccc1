import { setTimeout as delay } from 'node:timers/promises'
import { brokerName } from '../base/config.ts'
import type { Logger } from '../base/log.ts'
import { LONGEST_DELAY, reconnectDelay } from './backoff.ts'
import { claim } from './claim.ts'
import { codeOf, explain } from './explain.ts'
import { type Link, openLink } from './link.ts'

/** Whether a session can reach the broker; `blocked`: it can, but the broker takes no messages for now. */
export interface SessionState {
  status: 'waiting' | 'ready' | 'blocked' | 'closed'
  /** Why it is not ready, in a sentence. */
  reason?: string
  /** The same as a word: `ECONNREFUSED`, `ACCESS_REFUSED`, … */
  code?: string
}

export interface SessionOptions {
  /** The broker's nodes, tried in turn. */
  urls: readonly string[]
  /** Shown in logs and in the broker's list of connections: process and purpose. */
  name: string
  /** The project that the broker's virtual host has to belong to; without one it may belong to anybody. */
  project?: string | undefined
  log: Logger
  /** Builds what lives on a connection: channels, topology, consumers. Runs on every new one. */
  setup: (link: Link) => Promise<void>
  onState?: (state: SessionState) => void
}

export interface Session {
  readonly state: SessionState
  /** Stops reconnecting and closes the connection in order. */
  close(): Promise<void>
}

const CONNECTING = 'connecting to the broker'

/**
 * Keeps a connection to the broker for as long as the process wants one: connects in the background, sets up, and
 * starts again from nothing when it is lost. amqplib's own recovery restores the bare connection only, and can hang or
 * crash when the loss falls into its `setup`; here a loss during `setup` is one like any other.
 */
export function openSession({ urls, name, project, log, setup, onState }: SessionOptions): Session {
  const closed = new AbortController()
  let state: SessionState = { status: 'waiting', reason: CONNECTING }
  let link: Link | undefined
  const running = run()

  async function run(): Promise<void> {
    for (let attempt = 0; !closed.signal.aborted; attempt++) {
      let readyAt = Number.POSITIVE_INFINITY
      const url = urls[attempt % urls.length] as string
      try {
        link = await openLink({ url, name, onBlocked })
        if (closed.signal.aborted) return await link.close()
        if (project !== undefined) await link.orLost(claim(link, project))
        await link.orLost(setup(link))
        readyAt = performance.now()
        become({ status: 'ready' }, url)
        await link.orLost(new Promise<never>(() => {}))
      } catch (error) {
        link?.fail(error as Error)
        if (!closed.signal.aborted) become(waiting(error, url), url)
      }
      link = undefined
      // One that was lost as soon as it was ready is no better than one that was not: many of them in a row are tried as rarely.
      if (performance.now() - readyAt >= LONGEST_DELAY) attempt = -1
      await delay(reconnectDelay(Math.max(attempt, 0)), undefined, { signal: closed.signal }).catch(() => {})
    }
  }

  function onBlocked(reason: string | undefined): void {
    if (reason !== undefined) become({ status: 'blocked', reason, code: 'BLOCKED' })
    else if (state.status === 'blocked') become({ status: 'ready' })
  }

  // One line a change: a broker that is away for an hour is told of once, whatever its network answers meanwhile.
  function become(next: SessionState, url?: string): void {
    if (state.status === 'closed') return
    const refused = next.code !== state.code && !next.code?.startsWith('E')
    const changed = next.status !== state.status || state.reason === CONNECTING || refused
    state = next
    if (!changed) return
    const details = {
      session: name,
      ...(url && { broker: brokerName(url) }),
      ...(next.reason && { reason: next.reason }),
    }
    if (next.status === 'ready') log.info(details, 'connected to the broker')
    else if (next.status === 'blocked') log.warn(details, 'the broker accepts no messages')
    else if (next.status === 'waiting') log.warn(details, 'waiting for the broker')
    onState?.(next)
  }

  return {
    get state() {
      return state
    },
    async close() {
      closed.abort()
      become({ status: 'closed' })
      // A connection attempt under way closes what it opens by itself: nobody needs to wait for a silent peer.
      if (link) await link.close().then(() => running)
    },
  }
}

function waiting(error: unknown, url: string): SessionState {
  const code = codeOf(error)
  return { status: 'waiting', reason: explain(error, url), ...(code && { code }) }
}
