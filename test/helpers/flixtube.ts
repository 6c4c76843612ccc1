import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProject, type TestProject } from './project.ts'
import type { Teardown } from './tmp.ts'
import { until } from './until.ts'

/** The example application, as `npm start` runs it. */
export interface FlixTube extends TestProject {
  readonly url: string
  /** What `npm start` wrote. */
  readonly stdout: string
  /** A worker's log lines so far, or the front door's. */
  logs(name: string): Record<string, unknown>[]
  /** All of the history, newest first. */
  history(): Promise<View[]>
  /** How often each video was watched, by `recommendations`. */
  counts(): Promise<Record<string, number>>
  /** Waits until the history has that many views and the recommendations count as many. */
  settled(views: number, timeout?: number): Promise<void>
}

interface View {
  id: string
  videoPath: string
  watchedAt: string
}

export interface FlixTubeOptions {
  /** Without one it is the embedded broker, on a port of its own. */
  amqpUrl?: string
  env?: NodeJS.ProcessEnv
  /** More files of the project. */
  files?: Record<string, string>
}

/** Starts the example application with real processes, and its files, in a folder of its own; ended with the test. */
export async function startFlixTube(t: Teardown, options: FlixTubeOptions = {}): Promise<FlixTube> {
  const { amqpUrl, env = {}, files = {} } = options
  const project = await createProject(t, {}, { real: true })
  if (amqpUrl === undefined) delete project.env.AMQP_URL
  else project.env.AMQP_URL = amqpUrl
  Object.assign(project.env, { SHUTDOWN_TIMEOUT: '10s' }, env)
  for (const [file, text] of Object.entries(files)) project.write(file, text)
  const { code, stdout, stderr } = await project.npm('start')
  if (code !== 0) throw new Error(`npm start ended with code ${code}:\n${stdout}\n${stderr}`)

  const url = `http://127.0.0.1:${project.env.PORT}`
  const get = async <T>(path: string) => (await (await fetch(url + path)).json()) as T
  const page = async (skip: number) => (await get<{ history: View[] }>(`/history?skip=${skip}&limit=100`)).history

  async function counts(): Promise<Record<string, number>> {
    const path = '/recommendations?limit=100'
    const { recommendations } = await get<{ recommendations: { videoPath: string; views: number }[] }>(path)
    return Object.fromEntries(recommendations.map(({ videoPath, views }) => [videoPath, views]))
  }

  return {
    ...project,
    url,
    stdout,
    logs(name) {
      const lines = readFileSync(join(project.env.PM2_HOME as string, 'logs', `${name}-out.log`), 'utf8').split('\n')
      // The last one may still be on its way.
      return lines.slice(0, -1).flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
    },
    async history() {
      const found: View[] = []
      for (;;) {
        const views = await page(found.length)
        found.push(...views)
        if (views.length < 100) return found
      }
    },
    counts,
    async settled(views, timeout = 20_000) {
      const options = { timeout, interval: 100 }
      await until(async () => (await page(views - 1)).length > 0, { what: `${views} views in the history`, ...options })
      const total = async () => Object.values(await counts()).reduce((sum, n) => sum + n, 0)
      await until(async () => (await total()) >= views, { what: `${views} views in the recommendations`, ...options })
    },
  }
}

/**
 * Watches the video many times over, 25 at once.
 * @param onAnswer is told how many have been answered so far
 * @returns how many were answered with each status
 */
export async function watch(
  url: string,
  times: number,
  onAnswer: (answered: number) => void = () => {},
): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {}
  let left = times
  let answered = 0
  async function viewer(): Promise<void> {
    while (left-- > 0) {
      // From the first byte on it is a view, however short.
      const response = await fetch(`${url}/video`, { headers: { range: 'bytes=0-0' } })
      await response.arrayBuffer()
      statuses[response.status] = (statuses[response.status] ?? 0) + 1
      onAnswer(++answered)
    }
  }
  await Promise.all(Array.from({ length: 25 }, viewer))
  return statuses
}
