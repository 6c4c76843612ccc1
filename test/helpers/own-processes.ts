import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { removeFolder } from './tmp.ts'
import { until } from './until.ts'

/** The processes that were started with this in their environment, `NAME=value`. Linux only; elsewhere none are found. */
export function processesWith(variable: string): number[] {
  if (!existsSync('/proc/self/environ')) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && `\0${read(pid, 'environ')}`.includes(`\0${variable}\0`))
}

// Its input ends with the process that writes it, or says that all is done.
const HEIR = `read -r done && exit
for pass in 1 2; do
  for environ in /proc/[0-9]*/environ; do
    pid=\${environ#/proc/}
    pid=\${pid%/environ}
    tr '\\0' '\\n' 2>/dev/null <"$environ" | grep -qxF "$1" && kill -KILL "$pid"
  done
done
rm -rf "$2"`

/**
 * Sees to it that no process with this in its environment outlives the test, nor a folder: when this process is killed,
 * a shell ends them. pm2's daemon and its processes are no children of the test, so nothing else would.
 * @returns to be called when all should have ended: ends what has not, and tells what that was
 */
export function guardProcesses(variable: string, folder: string): () => Promise<string[]> {
  // In a session of its own: Ctrl-C must not reach it.
  const heir = spawn('sh', ['-c', HEIR, 'sh', variable, folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  heir.unref()
  ;(heir.stdin as Socket).unref()

  return async function release() {
    // What was told to end may take a moment.
    const gone = until(() => processesWith(variable).length === 0, { what: 'the processes to end', timeout: 2_000 })
    await gone.catch(() => {})
    const left = processesWith(variable).map((pid) => `${pid} ${read(pid, 'cmdline').replaceAll('\0', ' ').trim()}`)
    for (const pid of processesWith(variable)) process.kill(pid, 'SIGKILL')
    heir.stdin.end('done\n')
    removeFolder(folder)
    return left
  }
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    // It has ended meanwhile, or is another user's.
    return ''
  }
}
