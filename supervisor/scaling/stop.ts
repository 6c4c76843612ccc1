import { setTimeout as sleep } from 'node:timers/promises'
import { connectPm2, isAlive } from './pm2.ts'
import { ownInstances } from './project.ts'

/**
 * Stops the project's apps, each after its drain, and waits until their processes have ended. pm2's daemon ends with
 * them if nothing else runs in it.
 * @returns the names of the apps that it stopped
 */
export async function stopProject(root: string, print: (line: string) => void): Promise<string[]> {
  const pm2 = await connectPm2({ launch: false })
  if (!pm2) return []
  try {
    const own = ownInstances(await pm2.list(), root)
    const names = [...new Set(own.map((instance) => instance.name))]
    if (names.length > 0) print(`stopping ${names.join(', ')}`)
    await Promise.all(own.map((instance) => pm2.remove(instance.id)))
    while (own.some((instance) => isAlive(instance.pid))) await sleep(50)
    if ((await pm2.list()).length === 0) await pm2.kill()
    return names
  } finally {
    await pm2.disconnect()
  }
}
