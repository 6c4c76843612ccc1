// A worker's Kubernetes files as text: a template shows best what comes out, and needs no library for YAML.
import type { WorkerSummary } from '../base/fleet.ts'
import type { Scale } from '../base/scale.ts'

/** What is deployed, all of it checked. */
export interface Target {
  /** Of the Deployment, its container and the ScaledObject. */
  readonly name: string
  /** The project, as a label's value. */
  readonly partOf: string
  /** Undefined: whichever `kubectl` is at. */
  readonly namespace: string | undefined
  readonly image: string
  /** Milliseconds. */
  readonly shutdownTimeout: number
  readonly worker: Pick<WorkerSummary, 'name' | 'threads' | 'memoryLimitMb' | 'timeout'>
  /** Undefined: somebody else's to say. */
  readonly replicas?: number
}

/** Seconds from the end of a drain to the kill: the process itself gives up after four. */
const AFTER_DRAIN = 5

/** Mebibytes that a process without threads is given for sure, and at most. */
const MEMORY = { request: 128, limit: 512 } as const

/** The most seconds that a HorizontalPodAutoscaler takes (autoscaling/v2, HPAScalingRules). */
const MAX_WINDOW = 3_600

/** A Deployment (apps/v1) of the worker's host. */
export function deploymentOf({ replicas, ...target }: Target): string {
  const { name, partOf, image, shutdownTimeout, worker } = target
  const heaps = worker.threads * worker.memoryLimitMb
  const count = replicas === undefined ? '# No replicas: KEDA says how many.' : `replicas: ${replicas}`
  return `apiVersion: apps/v1
kind: Deployment
${metadataOf(target)}
spec:
  ${count}
  selector:
    matchLabels:
      app.kubernetes.io/name: ${text(name)}
      app.kubernetes.io/part-of: ${text(partOf)}
  # Old pods and new ones may compete for the same messages, so that none need wait.
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  template:
    metadata:
      labels:
        app.kubernetes.io/name: ${text(name)}
        app.kubernetes.io/part-of: ${text(partOf)}
    spec:
      # SHUTDOWN_TIMEOUT and ${AFTER_DRAIN} seconds: on SIGTERM it takes no more messages and finishes those it has.
      terminationGracePeriodSeconds: ${Math.ceil(shutdownTimeout / 1_000) + AFTER_DRAIN}
      automountServiceAccountToken: false
      # A Service named broker would set BROKER_PORT, which means something else to Warren.
      enableServiceLinks: false
      securityContext:
        runAsNonRoot: true
        # The user node of Node's official images.
        runAsUser: 1000
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: ${text(name)}
          image: ${text(image)}
          command: [node, dist/supervisor/worker.js, ${text(worker.name)}]
          env:
            - name: AMQP_URL
              valueFrom:
                secretKeyRef:
                  name: warren
                  key: AMQP_URL
            - name: SHUTDOWN_TIMEOUT
              value: ${shutdownTimeout}ms
          # ${
            worker.threads > 0
              ? `Threads' heaps, ${worker.threads} x ${worker.memoryLimitMb} MB; their Buffers are outside of that, hence twice as much at most.`
              : 'A guess: see what yours needs with `kubectl top pod`.'
          }
          resources:
            requests:
              cpu: ${worker.threads > 0 ? worker.threads * 250 : 100}m
              memory: ${MEMORY.request + heaps}Mi
            limits:
              memory: ${MEMORY.limit + 2 * heaps}Mi
          securityContext:
            allowPrivilegeEscalation: false
            capabilities:
              drop: [ALL]`
}

/**
 * KEDA's ScaledObject (keda.sh/v1alpha1) that does what `scale` says. Over AMQP, KEDA counts only messages that wait: pods
 * that handle the last ones look idle to it. So it gives those as long as an attempt may take.
 */
export function scaledObjectOf(target: Target, scale: Scale, queues: readonly string[]): string {
  const { timeout } = target.worker
  const seconds = Math.ceil(Math.max(scale.cooldown, timeout) / 1_000)
  const longer = timeout > scale.cooldown ? "The worker's timeout: KEDA sees no messages in progress." : undefined
  const cut = seconds > MAX_WINDOW ? `${seconds} would be right; Kubernetes takes at most ${MAX_WINDOW}.` : undefined
  return `apiVersion: keda.sh/v1alpha1
kind: ScaledObject
${metadataOf(target)}
spec:
  scaleTargetRef:
    name: ${text(target.name)}
  minReplicaCount: ${scale.min}
  maxReplicaCount: ${scale.max}
  # Seconds between two looks at the queues.
  pollingInterval: 5
  # Seconds that nothing has waited until the last pod ends.${comment(longer, 2)}
  cooldownPeriod: ${seconds}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          # Seconds that fewer pods must have been enough until some end.${comment(cut ?? longer, 10)}
          stabilizationWindowSeconds: ${Math.min(seconds, MAX_WINDOW)}
  # Not added up: the queue that is worth the most pods decides.
  triggers:${queues.map((queue) => triggerOf(queue, scale)).join('')}`
}

function triggerOf(queue: string, { messagesPerInstance }: Scale): string {
  return `
    - type: rabbitmq
      metadata:
        protocol: amqp
        hostFromEnv: AMQP_URL
        mode: QueueLength
        value: "${messagesPerInstance}"
        queueName: ${text(queue)}`
}

function metadataOf({ name, partOf, namespace }: Target): string {
  return `metadata:
  name: ${text(name)}${namespace === undefined ? '' : `\n  namespace: ${text(namespace)}`}
  labels:
    app.kubernetes.io/name: ${text(name)}
    app.kubernetes.io/part-of: ${text(partOf)}`
}

function comment(line: string | undefined, indent: number): string {
  return line === undefined ? '' : `\n${' '.repeat(indent)}# ${line}`
}

/** A string, in quotes where YAML (1.1, which Kubernetes reads) might take it for something else: `123`, `e0`, `on`. */
function text(value: string): string {
  const isPlain = /^[a-z]{2}[a-z0-9-]*$/i.test(value) && !/^(true|false|null|yes|no|on|off)$/i.test(value)
  return isPlain ? value : JSON.stringify(value)
}
