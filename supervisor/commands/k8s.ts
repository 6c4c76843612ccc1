import { parseArgs } from 'node:util'
import { StartupError } from '../base/errors.ts'
import type { WorkerSummary } from '../base/fleet.ts'
import { didYouMean } from '../base/suggest.ts'
import type { Output } from './dead.ts'
import { deploymentOf, scaledObjectOf } from './k8s-manifests.ts'

export const K8S_USAGE = `Usage: warren k8s NAME [--image IMAGE] [--namespace NAMESPACE]

Prints what runs worker NAME in a Kubernetes cluster: a Deployment, and KEDA's ScaledObject where it has \`scale\`.`

/** What the files depend on besides the worker. */
export interface K8sProject {
  /** The project's name. */
  readonly name: string
  /** Milliseconds: SHUTDOWN_TIMEOUT. */
  readonly shutdownTimeout: number
  /** The queues whose messages a worker's instances share; none where each has one of its own. */
  queuesOf(worker: string, place: WorkerSummary): readonly string[]
}

/** RFC 1123's label, which Kubernetes asks of the names of containers and namespaces. */
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const DNS_LABEL_FORMAT = "1 to 63 lower-case letters, digits or '-', the first and the last a letter or digit"

/**
 * `warren k8s NAME`: prints YAML, and tells as progress what its reader should know.
 * @param load every worker of the project
 * @throws StartupError for arguments that make no sense, and for a worker that can have no name in Kubernetes
 */
export async function runK8s(
  args: string[],
  load: () => Promise<readonly WorkerSummary[]>,
  { name: project, shutdownTimeout, queuesOf }: K8sProject,
  output: Output,
): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    options: { image: { type: 'string' }, namespace: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  })
  if (values.help) return output.print(K8S_USAGE)
  const [asked] = positionals
  if (asked === undefined || positionals.length > 1) {
    throw usage(`k8s: expected the name of one worker, found ${positionals.length} words.\n\n${K8S_USAGE}`)
  }
  if (values.image !== undefined && !/^[\w.][\w./:@-]*$/.test(values.image)) {
    throw usage(`--image: expected an image such as 'registry.example.com/shop:1.2', found '${values.image}'`)
  }
  if (values.namespace !== undefined && !DNS_LABEL.test(values.namespace)) {
    throw usage(`--namespace: expected ${DNS_LABEL_FORMAT}; found '${values.namespace}'`)
  }

  const workers = await load()
  const names = workers.map((one) => one.name)
  const worker = workers.find((one) => one.name === asked)
  if (!worker) {
    const known = names.join(', ') || 'it has none'
    throw usage(`k8s: expected a worker of this project (${known}), found '${asked}'${didYouMean(asked, names)}`)
  }
  const name = uniqueName(asked, names)
  const partOf = labelOf(project)
  // One that can't be pulled: a pod that waits for it says so, where a default of some public image would run.
  const image = values.image ?? `registry.example.com/${partOf}:latest`

  const { scale } = worker
  const queues = queuesOf(asked, worker)
  const notes: string[] = []
  if (values.image === undefined) notes.push(`${image} is a placeholder: name your image with --image.`)
  if (queues.length === 0) {
    notes.push('No ScaledObject: each process has a queue of its own, which tells nothing of how many there should be.')
  } else if (!scale) {
    notes.push("No ScaledObject: the worker has no option 'scale'.")
  }

  for (const note of notes) output.progress(note)
  const target = { name, partOf, namespace: values.namespace, image, shutdownTimeout, worker }
  const { kind, name: address } = worker.address
  const about = [`Worker ${asked} of ${kind} ${address}, from its definition: npx warren k8s ${asked}`, ...notes]
  const documents =
    scale && queues.length > 0
      ? [deploymentOf(target), '---', scaledObjectOf(target, scale, queues)]
      : [deploymentOf({ ...target, replicas: 1 })]
  output.print([...about.map((line) => `# ${line}`), ...documents].join('\n'))
}

/** A worker's name as Kubernetes takes it, which must not be another worker's as well. */
function uniqueName(worker: string, workers: readonly string[]): string {
  const name = kubernetesName(worker)
  if (!DNS_LABEL.test(name)) {
    throw usage(
      `k8s: expected a worker whose name Kubernetes takes (${DNS_LABEL_FORMAT}), ` +
        `found '${worker}', which becomes '${name}'. Rename its file.`,
    )
  }
  const twin = workers.find((other) => other !== worker && kubernetesName(other) === name)
  if (twin) {
    throw usage(
      `k8s: expected one worker of a name, found '${worker}' and '${twin}': both become '${name}'. Rename one.`,
    )
  }
  return name
}

function kubernetesName(worker: string): string {
  return worker.toLowerCase().replaceAll('_', '-')
}

/** Any name as a label's value, which is also one for an image: '@acme/shop' becomes 'acme-shop'. */
function labelOf(name: string): string {
  const label = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  return label.slice(0, 63).replaceAll(/^-|-$/g, '') || 'warren'
}

function usage(message: string): StartupError {
  return new StartupError('WARREN_USAGE', message)
}
