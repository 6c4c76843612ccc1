// What pm2 runs: the front door, one app per file in workers/, the autoscaler, and the embedded broker while AMQP_URL
// names no other.
// `npm start` uses this file, and so does pm2 by hand.
const { build } = require('./supervisor/build.cjs')

const root = __dirname
const dev = process.env.WARREN_DEV === '1' // set by `npm run start:dev`
const poll = process.env.WATCH_POLL === '1'

// pm2 reads this file to stop apps, too, which must work while the sources don't compile.
const stopping = process.argv.some((arg) => ['stop', 'delete', 'del'].includes(arg))
build(root, { ifMissing: stopping })

const { projectEnv, startEnvironment } = require('./dist/supervisor/base/app-mark.js')
const { BROKER_NODE_FLAGS } = require('./dist/supervisor/base/broker-flags.js')
const { parseDuration } = require('./dist/supervisor/base/durations.js')
const { listSources } = require('./dist/supervisor/base/sources.js')
// What the processes will see: the environment, completed by `.env`.
const environment = projectEnv(root)
const workers = listSources(root, 'workers').map((worker) => worker.name)

module.exports = {
  apps: [
    ...(environment.AMQP_URL?.trim()
      ? []
      : [app('broker', 'dist/supervisor/broker.js', { node_args: [...BROKER_NODE_FLAGS] })]),
    app('front-door', 'dist/supervisor/front-door.js'),
    ...workers.map((name) => app(name, 'dist/supervisor/worker.js', { args: [name] })),
    app('autoscaler', 'dist/supervisor/autoscaler.js'),
    ...(dev ? [compiler()] : []),
  ],
}

function app(name, script, { env = {}, ...options } = {}) {
  return {
    name,
    script,
    namespace: require('./package.json').name,
    cwd: root,
    interpreter: process.execPath,
    exec_mode: 'fork',
    instances: 1,
    pmx: false, // with it, pm2 keeps processes that failed to load as `online`
    vizion: false,
    merge_logs: true,
    filter_env: [''], // nothing of the environment but what `env` has of it: keys and URLs where they are needed alone
    wait_ready: true,
    listen_timeout: 10_000,
    kill_timeout: killTimeout(),
    stop_exit_codes: [78], // EXIT_CONFIG: no restart mends it
    exp_backoff_restart_delay: dev ? 20 : 500,
    env: { ...startEnvironment({ name, script, args: options.args }, root), ...env },
    ...options,
  }
}

// Compiles once whenever a source changes; the processes notice by themselves which of their files are new.
function compiler() {
  return app('compiler', 'supervisor/build.cjs', {
    autorestart: false,
    wait_ready: false,
    watch: ['supervisor', 'workers', 'routes'],
    watch_delay: 50,
    watch_options: { ignoreInitial: true, usePolling: poll, interval: 300 },
    env: { WARREN_STARTED: workers.join() },
  })
}

// pm2 kills a process that has not ended by then: a drain takes up to SHUTDOWN_TIMEOUT.
function killTimeout() {
  const margin = 5_000
  // Where it is invalid the processes say so and don't start, but stopping what runs has to work.
  const timeout = parseDuration(environment.SHUTDOWN_TIMEOUT?.trim() || '30s') ?? 30_000
  return Math.min(timeout + margin, 2 ** 31 - 1) // what a timer keeps
}
