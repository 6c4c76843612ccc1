import { setTimeout as delay } from 'node:timers/promises'

/** How long clients are waited for that show no sign of ending; a worker takes up to this to cancel its consumer. */
const SIGN_MS = 2_000
/** Beyond the deadline: those whose drain ends with it give back what is unfinished, and close. */
const LAST_MS = 1_000
const LOOK_MS = 20

/** What the broker's clients are at. */
export interface Clients {
  readonly connections: number
  readonly consumers: number
}

/**
 * Waits while clients that are ending as well still need the broker. A signal to a whole project (`pm2 delete all`)
 * reaches the broker at about the same time as the workers, who then drain: they could acknowledge nothing of what they
 * finish if the broker were gone first. They show it by cancelling their consumers at once. As long as somebody goes on
 * consuming, and nobody ends, it is the broker alone that is to end or to restart: nobody is helped by waiting then.
 * @param deadline when drains end
 */
export async function linger(clients: () => Clients, deadline: AbortSignal): Promise<void> {
  let before = clients()
  let quietMs = 0
  for (let beyondMs = 0; beyondMs < LAST_MS; ) {
    const now = clients()
    if (now.connections === 0 || (now.consumers > 0 && quietMs >= SIGN_MS)) return
    const isSign = now.consumers < before.consumers || now.connections < before.connections
    quietMs = isSign ? 0 : quietMs + LOOK_MS
    if (deadline.aborted) beyondMs += LOOK_MS
    before = now
    await delay(LOOK_MS)
  }
}
