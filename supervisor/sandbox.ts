// The entry of a worker's sandbox: `node dist/supervisor/sandbox.js NAME LOG_LEVEL`, started by the worker's process.
import { serveSandbox } from './execution/in-sandbox.ts'

const [name = '', logLevel = 'info'] = process.argv.slice(2)
await serveSandbox(process.cwd(), name, logLevel)
