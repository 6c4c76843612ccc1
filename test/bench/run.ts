// `npm run bench`: see command.ts.
import { parseCommand, usage } from './command.ts'
import { prepare } from './prepare.ts'
import { SCENARIOS } from './scenarios/index.ts'

try {
  const command = parseCommand(process.argv.slice(2), SCENARIOS)
  if (command) {
    prepare((line) => console.error(line))
    const controller = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => controller.abort(new Error(`ended by ${signal}`)))
    }
    // Not before: it looks for what has just been prepared.
    const { bench } = await import('./bench.ts')
    process.exitCode = (await bench(command, controller.signal)) ? 0 : 1
  } else {
    console.log(usage(SCENARIOS))
  }
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
// What a failed scenario has left waiting must not keep it.
process.exit()
