import type { Config } from '../base/config.ts'
import type { WorkerSummary } from '../base/fleet.ts'

export interface Started {
  /** Whether anything was started; otherwise all of it ran already. */
  changed: boolean
  /** With live reload. */
  dev: boolean
  workers: readonly Pick<WorkerSummary, 'name' | 'scale'>[]
}

/** What `warren start` prints at its end: where it listens, and what to try. */
export function welcome(config: Pick<Config, 'host' | 'port' | 'apiKeys'>, { changed, dev, workers }: Started): string {
  const { host, port, apiKeys } = config
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  const url = `http://${name}:${port}`
  const key = apiKeys.length > 0 ? ' -H "authorization: Bearer $API_KEY"' : ''
  // The example application's video, or what every front door has.
  const isExample = workers.some((worker) => worker.name === 'history')
  const lines = [
    `curl -s${isExample ? `${key} ${url}/video -o video.mp4` : ` ${url}/readyz`}`,
    ...scaling(workers),
    'npm run logs',
  ]
  const state = changed ? 'ready' : 'already running'
  return `
Warren is ${state} at ${url}${dev ? ', with live reload' : ''}. Try:

${lines.map((line) => `  ${line}`).join('\n')}
`
}

// The autoscaler undoes what pm2 scales of the workers that are its own, and more brokers than one are a mistake.
function scaling(workers: Started['workers']): string[] {
  const byHand = workers.find((worker) => !worker.scale)
  if (byHand) return [`npx pm2 scale ${byHand.name} 4`]
  const [scaled] = workers
  return scaled ? [`npx warren scale ${scaled.name} 2`] : []
}
