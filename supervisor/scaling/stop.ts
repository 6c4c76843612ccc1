import { setTimeout as sleep } from 'node:timers/promises'
import { connectPm2, type Instance, isAlive, type Pm2 } from './pm2.ts'
import { AUTOSCALER, BROKER, ownInstances } from './project.ts'

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
    // It would bring back what is being stopped: it goes first.
    await remove(own.filter((instance) => instance.name === AUTOSCALER))
    // Without their broker the others could acknowledge nothing of what they finish: it goes last.
    await remove(own.filter((instance) => instance.name !== AUTOSCALER && instance.name !== BROKER))
    await remove(own.filter((instance) => instance.name === BROKER))
    if ((await pm2.list()).length === 0) await pm2.kill()
    return names
  } finally {
    await pm2.disconnect()
  }

  async function remove(instances: readonly Instance[]): Promise<void> {
    await Promise.all(instances.map((instance) => (pm2 as Pm2).remove(instance.id)))
    while (instances.some((instance) => isAlive(instance.pid))) await sleep(50)
  }
}
