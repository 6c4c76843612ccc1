// `warren k8s`: what it prints, against the schemas of Kubernetes and KEDA.
import { rejects } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import fc from 'fast-check'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import {
  type Address,
  defineFanout,
  defineQueue,
  defineWorker,
  type SubscriberOptions,
} from '../../supervisor/base/definitions.ts'
import type { WorkerSummary } from '../../supervisor/base/fleet.ts'
import { K8S_USAGE, runK8s } from '../../supervisor/commands/k8s.ts'
import { queuesOf } from '../../supervisor/messaging/topology.ts'

// Compiled, this file is in dist/test/commands; the schemas stay where they are.
const SCHEMAS = join(import.meta.dirname, '../../../test/fixtures/kubernetes')
const ajv = new Ajv({ allErrors: true, strict: true })
const isDeployment = compiled('deployment')
const isScaledObject = compiled('scaledobject')

// biome-ignore lint/suspicious/noExplicitAny: parsed YAML, whose shape is what the schemas check
type Parsed = any

const data = z.object({})
const queue = (name: string) => defineQueue(name, { data })
const fanout = (name: string) => defineFanout(name, { data })

function compiled(name: string): ValidateFunction<Parsed> {
  return ajv.compile<Parsed>(JSON.parse(readFileSync(join(SCHEMAS, `${name}.schema.json`), 'utf8')))
}

/** A worker as the command gets it from the process that imports it. */
function worker(name: string, address: Address, options: Omit<SubscriberOptions, 'handler'> = {}): WorkerSummary {
  const definition = defineWorker(address as never, { handler() {}, ...options } as never)
  const { handler: _, kind: __, backoff: ___, ...limits } = definition
  return { name, ...limits, address: { kind: address.kind, name: address.name } }
}

/** Runs the command for the first of the workers. */
async function k8s(
  workers: WorkerSummary[],
  args: string[] = [],
  { name = 'flixtube', shutdownTimeout = 30_000 } = {},
) {
  const printed: string[] = []
  const notes: string[] = []
  const output = { print: (line: string) => printed.push(line), progress: (line: string) => notes.push(line) }
  const project = { name, shutdownTimeout, queuesOf }
  await runK8s([workers[0]?.name ?? 'none', ...args], async () => workers, project, output)
  const text = `${printed.join('\n')}\n`
  const [deployment, scaledObject, ...more] = parsed(text)
  return { text, notes, deployment, scaledObject, more }
}

/** Kubernetes reads YAML 1.1, most other tools 1.2: what they make of it must be the same. */
function parsed(text: string): Parsed[] {
  const [one, two] = (['1.1', '1.2'] as const).map((version) =>
    parseAllDocuments(text, { version, strict: true, uniqueKeys: true }).map((document) => {
      for (const problem of [...document.errors, ...document.warnings]) throw problem
      return document.toJS()
    }),
  )
  if (JSON.stringify(one) !== JSON.stringify(two)) throw new Error(`YAML 1.1 and 1.2 differ:\n${text}`)
  return one as Parsed[]
}

/** All that is wrong with what was printed, beyond the schemas what they don't hold; empty: nothing. */
function problems({ deployment, scaledObject, more }: Awaited<ReturnType<typeof k8s>>, of: WorkerSummary): string[] {
  const found: string[] = []
  const expect = (holds: boolean, what: string) => {
    if (!holds) found.push(what)
  }
  if (!isDeployment(deployment)) return [ajv.errorsText(isDeployment.errors)]
  if (scaledObject !== undefined && !isScaledObject(scaledObject)) return [ajv.errorsText(isScaledObject.errors)]
  const { spec } = deployment
  const { template } = spec
  const [container] = template.spec.containers
  const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
  const labels = Object.values(template.metadata.labels) as string[]
  expect(more.length === 0, 'more than two documents')
  expect(label.test(deployment.metadata.name) && label.test(container.name), 'a name not by RFC 1123')
  const isLabel = labels.every((value) => label.test(value))
  expect(isLabel, "a label's value")
  expect(JSON.stringify(spec.selector.matchLabels) === JSON.stringify(template.metadata.labels), 'the selector')
  expect(container.command.at(-1) === of.name, "the command's worker")
  expect((spec.replicas === undefined) === (scaledObject !== undefined), 'one owner of the number of replicas')
  const [request, limit] = ['requests', 'limits'].map((kind) => Number.parseInt(container.resources[kind].memory, 10))
  expect((request as number) > of.threads * of.memoryLimitMb && (limit as number) > (request as number), 'memory')
  expect((scaledObject !== undefined) === (of.scale !== undefined), 'a ScaledObject where there is scale')
  if (scaledObject === undefined || of.scale === undefined) return found

  const scaled = scaledObject.spec
  const { stabilizationWindowSeconds: window } = scaled.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown
  const seconds = Math.max(of.scale.cooldown, of.timeout) / 1_000
  expect(scaled.scaleTargetRef.name === deployment.metadata.name, 'what is scaled')
  expect(scaled.minReplicaCount === of.scale.min && scaled.maxReplicaCount === of.scale.max, 'min and max')
  expect(scaled.cooldownPeriod === Math.ceil(seconds), 'cooldownPeriod')
  expect(window === Math.min(Math.ceil(seconds), 3_600), 'stabilizationWindowSeconds')
  expect(scaled.triggers.map((one: Parsed) => one.metadata.queueName).join() === queuesOf(of.name, of).join(), 'queues')
  const values = scaled.triggers.map((one: Parsed) => Number(one.metadata.value))
  expect(new Set(values).size === 1 && values[0] === of.scale.messagesPerInstance, 'value')
  return found
}

const thumbnail = worker('thumbnail', queue('thumbnail'), {
  threads: 2,
  timeout: '20s',
  memoryLimitMb: 256,
  scale: { min: 0, max: 4, messagesPerInstance: 100 },
})

t.test('a worker with scale is a Deployment and a ScaledObject', async (t) => {
  const made = await k8s([thumbnail], ['--image', 'registry.example.com/shop:1.2', '--namespace', 'videos'])
  t.same(problems(made, thumbnail), [])
  t.same(made.notes, [])
  const { metadata, spec } = made.deployment
  t.match(metadata, { name: 'thumbnail', namespace: 'videos', labels: { 'app.kubernetes.io/part-of': 'flixtube' } })
  const pod = spec.template.spec
  t.equal(pod.terminationGracePeriodSeconds, 35)
  t.match(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
  const [container] = pod.containers
  t.match(container, {
    image: 'registry.example.com/shop:1.2',
    command: ['node', 'dist/supervisor/worker.js', 'thumbnail'],
    env: [
      { name: 'AMQP_URL', valueFrom: { secretKeyRef: { name: 'warren', key: 'AMQP_URL' } } },
      { name: 'SHUTDOWN_TIMEOUT', value: '30000ms' },
    ],
    resources: { requests: { memory: '640Mi' }, limits: { memory: '1536Mi' } },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  })
  t.equal(made.scaledObject.metadata.namespace, 'videos')
  const trigger = { protocol: 'amqp', hostFromEnv: 'AMQP_URL', mode: 'QueueLength', value: '100' }
  t.match(made.scaledObject.spec, { minReplicaCount: 0, maxReplicaCount: 4, cooldownPeriod: 60 })
  t.same(made.scaledObject.spec.triggers, [
    { type: 'rabbitmq', metadata: { ...trigger, queueName: 'thumbnail' } },
    { type: 'rabbitmq', metadata: { ...trigger, queueName: 'thumbnail.suspects' } },
  ])
})

t.test('the schemas refuse whatever is not theirs', async (t) => {
  const { deployment, scaledObject } = await k8s([thumbnail])
  for (const [isValid, document] of [
    [isDeployment, deployment],
    [isScaledObject, scaledObject],
  ] as const) {
    t.ok(isValid(document))
    const paths = pathsOf(document)
    t.ok(paths.length > 30, `${paths.length} places to break`)
    for (const path of paths) {
      const at = path.join('.')
      const value = path.reduce((node, key) => node[key], document)
      if (Array.isArray(value)) t.notOk(isValid(changed(document, path, {})), `${at}: an object for a list`)
      else if (typeof value === 'object') {
        t.notOk(isValid(changed(document, [...path, 'bogus'], 1)), `${at}: an unknown property`)
      } else if (!/\.max(Surge|Unavailable)$/.test(at)) {
        t.notOk(isValid(changed(document, path, typeof value === 'string' ? 7 : 'x')), `${at}: another type`)
      }
    }
    for (const path of [['metadata', 'name'], ['kind'], ['spec']]) {
      t.notOk(isValid(changed(document, path, undefined)), `${path.join('.')}: missing`)
    }
  }
})

/** The paths of all values in a document, its own first. */
function pathsOf(node: Parsed, path: string[] = []): string[][] {
  if (typeof node !== 'object' || node === null) return [path]
  return [path, ...Object.keys(node).flatMap((key) => pathsOf(node[key], [...path, key]))]
}

function changed(document: Parsed, path: string[], value: unknown): Parsed {
  const copy = structuredClone(document)
  const parent = path.slice(0, -1).reduce((node, key) => node[key], copy)
  if (value === undefined) delete parent[path.at(-1) as string]
  else parent[path.at(-1) as string] = value
  return copy
}

t.test('what has no scale is one pod, and says why', async (t) => {
  const plain = worker('mailer', queue('mail'))
  const one = await k8s([plain], ['--image', 'x'])
  t.same(problems(one, plain), [])
  t.equal(one.deployment.spec.replicas, 1)
  t.same(one.notes, ["No ScaledObject: the worker has no option 'scale'."])
  t.match(one.text, /^# Worker mailer of queue mail, .*\n# No ScaledObject: the worker has no option 'scale'\.\n/)

  const each = worker('cache', fanout('changed'), { subscription: 'instance' })
  const own = await k8s([each], ['--image', 'x'])
  t.same(problems(own, each), [])
  t.equal(own.deployment.spec.replicas, 1)
  t.match(own.notes, [/^No ScaledObject: each process has a queue of its own/])
})

t.test('the project names a label and, without --image, a placeholder for it', async (t) => {
  const [longest, project] = ['n'.repeat(63), '@Acme/Video_Shop'] as const
  const longName = await k8s([worker(longest, queue('mail'))], [], { name: `${longest}-and-more` })
  t.equal(longName.deployment.metadata.name, longest)
  t.equal(longName.deployment.metadata.labels['app.kubernetes.io/part-of'], longest)
  const { notes, deployment } = await k8s([thumbnail], [], { name: project })
  t.equal(deployment.spec.template.spec.containers[0].image, 'registry.example.com/acme-video-shop:latest')
  t.equal(deployment.metadata.labels['app.kubernetes.io/part-of'], 'acme-video-shop')
  t.match(notes, [/registry\.example\.com\/acme-video-shop:latest is a placeholder/])
})

t.test('a fanout scales by its subscription, and SHUTDOWN_TIMEOUT is the same in and outside of the pod', async (t) => {
  const history = worker('Watch_History', fanout('viewed'), { scale: { min: 2 } })
  const made = await k8s([history], [], { shutdownTimeout: 1_500 })
  t.same(problems(made, history), [])
  t.equal(made.deployment.metadata.name, 'watch-history')
  t.equal(made.scaledObject.spec.triggers[0].metadata.queueName, 'viewed.Watch_History')
  t.equal(made.deployment.spec.template.spec.terminationGracePeriodSeconds, 7)
  t.equal(made.deployment.spec.template.spec.containers[0].env[1].value, '1500ms')
})

t.test('nothing ends sooner than an attempt may take, as far as Kubernetes allows', async (t) => {
  const slow = worker('slow', queue('slow'), { timeout: '10m', scale: { min: 0, cooldown: '1m' } })
  const { scaledObject, text } = await k8s([slow])
  t.equal(scaledObject.spec.cooldownPeriod, 600)
  t.match(text, /# The worker's timeout: KEDA sees no messages in progress\.\n {2}cooldownPeriod: 600\n/)

  const patient = worker('patient', queue('patient'), { scale: { cooldown: '2h' } })
  const long = await k8s([patient])
  t.same(problems(long, patient), [])
  t.match(long.text, /# 7200 would be right; Kubernetes takes at most 3600\.\n +stabilizationWindowSeconds: 3600\n/)
  t.notMatch(long.text, /The worker's timeout/)
})

t.test('any worker makes valid files, or a clear error', async (t) => {
  // Names that YAML might take for something else, besides those that chance makes.
  const odd = fc.constantFrom(...'null true on No y 1e3 E0 e-1 0x1F 12_3 1-2 inf 0o7 x-_y A'.split(' '))
  const name = fc.oneof(odd, fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,70}$/))
  const scale = fc.record({
    min: fc.integer({ min: 0, max: 5 }),
    max: fc.integer({ min: 5, max: 1_000 }),
    messagesPerInstance: fc.integer({ min: 1, max: 1_000_000_000 }),
    cooldown: fc.integer({ min: 0, max: 2_147_483_647 }),
  })
  const options = fc.record({
    threads: fc.integer({ min: 1, max: 256 }),
    memoryLimitMb: fc.integer({ min: 64, max: 1_048_576 }),
    timeout: fc.integer({ min: 1, max: 2_147_483_647 }),
    scale,
  })
  const given = fc.oneof(
    options,
    options.map(({ timeout, scale }) => ({ timeout, scale })),
    fc.constant({}),
  )
  const any = fc.record({ name, on: name, copies: fc.boolean(), given, project: fc.string({ maxLength: 200 }) })
  const property = fc.asyncProperty(any, async ({ name, on, copies, given, project }) => {
    const one = worker(name, copies ? fanout(on) : queue(on), given)
    const made = k8s([one], [], { name: project })
    // Neither length nor last letter is what Warren asks of a name.
    if (name.length > 63 || /[-_]$/.test(name)) return rejects(made, /expected a worker whose name Kubernetes takes/)
    const found = problems(await made, one)
    if (found.length > 0) throw new Error(found.join('; '))
  })
  await fc.assert(property, { numRuns: 300 })
  t.pass('none of 300 was otherwise')
})

t.test('what makes no sense is told in a sentence, and nothing is printed', async (t) => {
  const long = 'n'.repeat(64)
  const others = ['a_b', 'a-b', 'x_', long].map((name) => worker(name, queue(name)))
  const workers = [thumbnail, ...others]
  for (const [args, expected] of [
    [[], /expected the name of one worker, found 0 words/],
    [['thumbnail', 'a-b'], /expected the name of one worker, found 2 words/],
    [
      ['thumbnial'],
      /expected a worker of this project \(thumbnail, .*\), found 'thumbnial' \(did you mean 'thumbnail'/,
    ],
    [['x_'], /found 'x_', which becomes 'x-'\. Rename its file\./],
    [[long], /found 'n{64}', which becomes 'n{64}'\. Rename its file\./],
    [['a_b'], /found 'a_b' and 'a-b': both become 'a-b'\. Rename one\./],
    [['thumbnail', '--namespace', 'My_Space'], /--namespace: expected 1 to 63 .*; found 'My_Space'/],
    [['thumbnail', '--image', 'a b'], /--image: expected an image such as .* found 'a b'/],
    [['thumbnail', '--imgae', 'x'], /Unknown option '--imgae'/],
  ] as [string[], RegExp][]) {
    const printed: string[] = []
    const output = { print: (line: string) => printed.push(line), progress: (line: string) => printed.push(line) }
    const project = { name: 'flixtube', shutdownTimeout: 30_000, queuesOf }
    const run = runK8s(args, async () => workers, project, output)
    await t.rejects(run, { message: expected }, args.join(' '))
    t.same(printed, [])
  }
  const printed: string[] = []
  const output = { print: (line: string) => printed.push(line), progress() {} }
  await runK8s(['--help'], () => Promise.reject(), { name: '', shutdownTimeout: 0, queuesOf }, output)
  t.same(printed, [K8S_USAGE])
})
