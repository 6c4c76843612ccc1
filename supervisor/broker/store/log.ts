export interface Message {
  readonly exchange: string
  readonly routingKey: string
  readonly properties: Buffer
  readonly body: Buffer
  readonly persistent: boolean
  readonly priority: number
  readonly dead: boolean
}
export interface Entry {
  readonly position: number
  readonly message: Message
  readonly expiresAt: number
  deliveryCount: number
  redelivered: boolean
}
export interface QueueLog {
  readonly ready: number
  readonly readyBytes: number
  append(message: Message, expiresAt: number, onSafe?: () => void): Entry
  peek(): Entry | undefined
  take(): Entry | undefined
  giveBack(entry: Entry): void
  remove(entry: Entry): void
  purge(): number
  destroy(): void
}
