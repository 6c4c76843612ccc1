// Keys and passwords are in pm2's sockets and lists, in `.env`, and in what workers store: all of it is its owner's.
import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What pm2 and Warren keep in PM2_HOME; anything else there is somebody's own. */
const PM2_FILES =
  /^(logs|pids|modules|touch|pm2\.log|pm2\.pid|rpc\.sock|pub\.sock|interactor\.sock|agent\..*|reload\.lock|conf\.js|module_conf\.json|dump\.pm2.*|pm2-io-token|sys-metrics.*|warren\.lock.*)$/

/** pm2's folder. */
export function pm2Home(): string {
  return process.env.PM2_HOME || join(homedir(), '.pm2')
}

/**
 * Makes pm2's folder its owner's alone, as pm2 itself does not: whoever reaches the sockets in it can read the
 * environment of every process. One that holds other things as well is left as it is, and told of.
 */
export function securePm2Home(print: (line: string) => void): void {
  const folder = pm2Home()
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (!isOpen(folder)) return
  const foreign = readdirSync(folder).filter((name) => !PM2_FILES.test(name))
  if (foreign.length === 0 && statSync(folder).uid === process.getuid?.()) {
    chmodSync(folder, 0o700)
    print(`${folder} was open to other users, who could read what every process is started with: closed (mode 700)`)
  } else
    print(`${folder} is open to other users, who can read what every process is started with: \`chmod 700 ${folder}\``)
}

/** Makes the data folder its owner's alone where there is none yet, and tells what others can read. */
export function secureProject(root: string, dataDir: string, print: (line: string) => void): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const env = join(root, '.env')
  if (isOpen(dataDir)) print(`${dataDir} can be read by other users: \`chmod 700 ${dataDir}\` closes it`)
  if (isOpen(env)) print(`${env} can be read by other users: \`chmod 600 ${env}\` closes it`)
}

// Windows has no such bits.
function isOpen(path: string): boolean {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0
  return process.platform !== 'win32' && (mode & 0o077) !== 0
}
