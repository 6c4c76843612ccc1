import type { Entry, Message, QueueLog } from './log.ts'
export async function openStore(_o: {
  folder: string
  log?: unknown
  diskFreeLimit?: number
  onBlocked(reason: string): void
  onUnblocked(): void
  onBroken(error: Error): void
}) {
  const defs = new Map<string, unknown>()
  return {
    definitions: {
      all: () => [...defs].map(([key, value]) => ({ key, value })),
      put: (k: string, v: unknown) => void defs.set(k, v),
      remove: (k: string) => void defs.delete(k),
    },
    openLog(_id: number, _opt: { durable: boolean }): QueueLog {
      let ready: Entry[] = []
      let next = 1
      return {
        get ready() {
          return ready.length
        },
        get readyBytes() {
          return ready.reduce((s, e) => s + e.message.body.length, 0)
        },
        append(message: Message, expiresAt: number, onSafe?: () => void) {
          const e: Entry = { position: next++, message, expiresAt, deliveryCount: 0, redelivered: false }
          ready.push(e)
          ready.sort((a, b) => b.message.priority - a.message.priority || a.position - b.position)
          if (onSafe) setImmediate(onSafe)
          return e
        },
        peek: () => ready[0],
        take: () => ready.shift(),
        giveBack(e) {
          ready.push(e)
          ready.sort((a, b) => b.message.priority - a.message.priority || a.position - b.position)
        },
        remove() {},
        purge() {
          const n = ready.length
          ready = []
          return n
        },
        destroy() {
          ready = []
        },
      }
    },
    synced: () => Promise.resolve(),
    close: async () => {},
  }
}
