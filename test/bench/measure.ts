import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Answer, Task } from './amqp-client.ts'

const CLIENT = fileURLToPath(new URL('./amqp-client.js', import.meta.url))
/** Linux counts processor time in hundredths of a second. */
const TICKS = 100

/** A client in a process of its own. */
export interface Client {
  perform(task: Task): Promise<Answer>
  end(): Promise<void>
}

export async function startClient(url: string, queue: string): Promise<Client> {
  const child: ChildProcess = fork(CLIENT, [url, queue])
  const exited = once(child, 'exit')
  const died = exited.then(() => Promise.reject(new Error('the client has died')))
  died.catch(() => {})
  await answer()
  return {
    perform(task) {
      child.send(task)
      return answer()
    },
    async end() {
      if (child.connected) child.disconnect()
      await exited
    },
  }

  async function answer(): Promise<Answer> {
    const message = new Promise<Answer>((resolve) => child.once('message', (answer) => resolve(answer as Answer)))
    return Promise.race([message, died])
  }
}

/** Resident memory of a process, in MB. */
export function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** The same with what it shares with other processes, Node's own code above all, divided among them; in MB. */
export function proportionalMb(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024
}

/** Processor time that a process has used, in ms. */
export function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS
}

/** Runs an action, and looks at a process's memory meanwhile; the most that it had, in MB. */
export async function peakMb(pid: number, action: () => Promise<unknown>): Promise<number> {
  let peak = residentMb(pid)
  const timer = setInterval(function look() {
    try {
      peak = Math.max(peak, residentMb(pid))
    } catch {
      // It has ended, which the action will tell.
    }
  }, 50)
  try {
    await action()
  } finally {
    clearInterval(timer)
  }
  return Math.max(peak, residentMb(pid))
}

/** Resolves when the port accepts a connection. */
export async function accepting(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isOpen) return
    await pause(2)
  }
}
