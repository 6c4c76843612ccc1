// The entry of a worker's process: `node dist/supervisor/worker.js NAME`, as pm2 runs it, once per instance.
import { fileURLToPath } from 'node:url'
import { loadWorker } from './base/discovery.ts'
import { DiscoveryError } from './base/errors.ts'
import { projectMark } from './base/project-mark.ts'
import { listSources } from './base/sources.ts'
import { openDeathNote } from './execution/death-note.ts'
import { createInlineRunner } from './execution/inline.ts'
import { createProcessor } from './execution/processor.ts'
import { createSandbox } from './execution/sandbox.ts'
import { sandboxProcesses } from './execution/sandbox-process.ts'
import { openClient } from './messaging/client.ts'
import { openConsumer } from './messaging/consumer.ts'
import { main, type ProcessContext, type Service } from './process/main.ts'

/** Processes that ended in a row without a message handled, after which the next takes them one by one. */
const CAREFUL_AFTER = 2

const name = process.argv[2]

await main(
  name ?? 'worker',
  async function startWorker({ config, log, report, root, fail }: ProcessContext): Promise<Service> {
    if (!name) throw new DiscoveryError("expected a worker's name as the argument, found nothing: worker.js NAME")
    const { definition } = await loadWorker(root, name)
    const urls = config.amqpUrls
    const project = projectMark(root)
    const client = openClient({ urls, name, project, log })
    client.register({ name, address: definition.address, subscription: definition.subscription })
    const { bus, transport } = client

    const runner =
      definition.threads > 0
        ? // Only those that have threads pay for what runs them.
          (await import('./execution/threads.ts')).createThreadRunner({
            worker: name,
            root,
            logLevel: config.logLevel,
            definition,
            filename: fileURLToPath(new URL('./thread.js', import.meta.url)),
            log,
            transport,
            onBroken: fail,
          })
        : createInlineRunner({ worker: name, definition, log, bus })

    const sandbox = createSandbox({
      worker: name,
      definition,
      log,
      transport,
      start: sandboxProcesses({
        worker: name,
        root,
        logLevel: config.logLevel,
        definition,
        filename: fileURLToPath(new URL('./sandbox.js', import.meta.url)),
      }),
    })
    const note = openDeathNote(config.dataDir, name, process.env.pm_id ?? '0')
    const isCareful = note.deaths >= CAREFUL_AFTER
    if (isCareful) log.warn({ deaths: note.deaths }, 'the processes before this one ended early: one message at a time')

    const processor = createProcessor({
      worker: name,
      concurrency: definition.concurrency,
      attempts: definition.attempts,
      backoff: definition.backoff,
      runner,
      sandbox,
      log,
      isolate: client.isolate,
      retry: client.retry,
      deadLetter: client.deadLetter,
      reply: client.reply,
      onProgress: report.setInProgress,
      onPrefetch: (prefetch) => consumer.setPrefetch(prefetch),
      onFirst() {
        note.clear()
        if (isCareful) consumer.setPrefetch(definition.concurrency)
      },
    })
    report.setInProgress(0)
    const consumer = openConsumer({
      urls,
      worker: name,
      project,
      definition,
      ...(isCareful && { prefetch: 1 }),
      log,
      onMessage: processor.handle,
      onState: tell,
      onUnusable: fail,
    })
    let stopping = false
    let quiet = false
    client.onState(tell)

    // Ready to handle messages, and to send what handlers send. While the broker is away, why.
    function tell(): void {
      const state = consumer.state.status === 'ready' ? client.state : consumer.state
      const { status, ...why } = state
      const ready = quiet ? 'quiet' : 'ready'
      // Not before: it is a hundred declarations, and messages wait.
      if (status === 'ready' && definition.attempts > 1) client.prepareRetries()
      if (!stopping) void report.set({ status: status === 'ready' ? ready : 'waiting', ...why })
    }

    return {
      async quiet() {
        quiet = true
        await consumer.quiet()
        tell()
        await processor.idle()
      },
      async stop(deadline) {
        stopping = true
        await consumer.quiet()
        await processor.drain(deadline)
        await Promise.all([consumer.close(), client.close(deadline)])
        await Promise.all([runner.close(), sandbox.close()])
        note.clear()
      },
    }
  },
  { loads: (root) => listSources(root, 'workers').flatMap((s) => (s.name === name ? [s.compiled] : [])) },
)
