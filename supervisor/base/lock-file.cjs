// A lock file that ends with its holder, whatever ends that: `kill -9`, a lost machine, a container that is removed.
// Plain CommonJS without dependencies, because the build takes one before anything is compiled.
'use strict'

const { execFileSync } = require('node:child_process')
const { createHash, randomBytes } = require('node:crypto')
const fs = require('node:fs')
const { hostname } = require('node:os')

/** Milliseconds until a file that no process of ours has written is removed. */
const UNKNOWN_MS = 5_000

/** What file systems answer that have no hard links: FAT, and folders that a virtual machine shares with its host. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPROTO', 'EINVAL'])

/**
 * A lock on the path `file`, for one process at a time. The file holds who has it: pid, start time, boot and pid
 * namespace, so that neither a reused pid nor a container's pid 1 passes for the holder.
 * @param {{ silenceMs: number, isUnseenGone?: boolean }} options `silenceMs`: how long a holder that can't be looked at
 *   (in another container, on another machine) may leave its file untouched before it counts as gone; `isUnseenGone`:
 *   such a holder counts as gone at once
 */
function lockFile(file, { silenceMs, isUnseenGone = false }) {
  /** What was read of holders that can't be looked at, and since when it has not changed. */
  const watched = new Map()
  let mine
  let holder

  return {
    /** Takes the lock if it is free or its holder is gone; never waits. */
    take() {
      mine = take(file)
      return mine !== undefined
    },
    /** Says to those who can't look at this process that it lives. */
    touch() {
      const now = new Date()
      try {
        if (mine !== undefined) fs.utimesSync(file, now, now)
      } catch {
        // Somebody has removed it by hand: there is nothing left to keep.
      }
    },
    release() {
      if (mine !== undefined && read(file)?.text === mine) fs.rmSync(file, { force: true })
      mine = undefined
    },
    /** The pid of whoever had it when `take` last failed. */
    get holder() {
      return holder
    },
  }

  /** @returns {string | undefined} what the file holds now that it is ours */
  function take(path) {
    for (;;) {
      const text = create(path, silenceMs)
      if (text !== undefined) return text
      const found = read(path)
      if (found === undefined) continue
      const owner = ownerOf(found.text)
      holder = owner?.pid
      if (!isGone(path, found, owner) || !removeAbandoned(path, found.text)) return undefined
    }
  }

  // Two may find the same holder gone, and the slower one must not remove what the faster one has made since. The
  // right to remove what one dead holder has left is a lock of its own. Its file's name comes from what that holder
  // wrote, which no other writes again: it guards no other removal. It may be abandoned as well, and is taken likewise.
  function removeAbandoned(path, text) {
    const right = `${path}.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
    if (take(right) === undefined) return false
    if (read(path)?.text === text) fs.rmSync(path, { force: true })
    fs.rmSync(right, { force: true })
    return true
  }

  function isGone(path, { text, mtimeMs }, owner) {
    const presence = owner ? presenceOf(owner) : 'unseen'
    if (presence !== 'unseen') return presence === 'gone'
    if (isUnseenGone) return true
    const state = `${text} ${mtimeMs}`
    const now = performance.now()
    const before = watched.get(path)
    if (before?.state !== state) {
      watched.set(path, { state, since: now })
      return false
    }
    return now - before.since > (owner?.silenceMs ?? UNKNOWN_MS)
  }
}

/** Makes the file with what it holds in one step, or returns undefined where there is one. */
function create(path, silenceMs) {
  const id = randomBytes(8).toString('hex')
  const text = `${JSON.stringify({ ...self(), silenceMs, id })}\n`
  const draft = `${path}.${id}.new`
  try {
    fs.writeFileSync(draft, text, { flag: 'wx', mode: 0o600 })
    try {
      fs.linkSync(draft, path)
    } catch (error) {
      if (!NO_LINKS.has(error.code)) throw error
      // In two steps then: whoever reads it in between takes it for a file of unknown origin, and waits.
      fs.writeFileSync(path, text, { flag: 'wx', mode: 0o600 })
    }
    return text
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return undefined
  } finally {
    fs.rmSync(draft, { force: true })
  }
}

function read(path) {
  try {
    return { text: fs.readFileSync(path, 'utf8'), mtimeMs: fs.statSync(path).mtimeMs }
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

function ownerOf(text) {
  // The broker's lock as version 0.1.0 wrote it, `PID START`: one that still runs must not get company.
  const [, pid, start] = /^(\d+) (\d+)$/.exec(text) ?? []
  if (pid !== undefined) return { ...self(), pid: Number(pid), start, silenceMs: UNKNOWN_MS }
  try {
    const owner = JSON.parse(text)
    return Number.isInteger(owner?.pid) && Number.isInteger(owner.silenceMs) ? owner : undefined
  } catch {
    return undefined
  }
}

let own

/** What tells this process from every other one. */
function self() {
  own ??= {
    pid: process.pid,
    start: lookAt(process.pid).start,
    boot: textOf('/proc/sys/kernel/random/boot_id'),
    space: linkOf('/proc/self/ns/pid'),
    host: hostname(),
  }
  return own
}

/** @returns {'here' | 'gone' | 'unseen'} */
function presenceOf(owner) {
  const { boot, space, host } = self()
  // A machine that has booted since has none of its processes any more; another machine's can't be seen from here.
  if (owner.boot !== boot) return owner.host === host && boot !== '' ? 'gone' : 'unseen'
  if (owner.space !== space || (boot === '' && owner.host !== host)) return 'unseen'
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    // EPERM: it runs, as another user.
    if (error.code === 'ESRCH') return 'gone'
  }
  const { start, isDead } = lookAt(owner.pid)
  if (isDead) return 'gone'
  if (start === '' || owner.start === '') return 'unseen'
  return start === owner.start ? 'here' : 'gone'
}

/** When a process started, '' where the system does not tell, and whether it is only waiting for its parent to note its end. */
function lookAt(pid) {
  const stat = textOf(`/proc/${pid}/stat`)
  if (stat !== '') {
    // The second field is the program's name in brackets, which may have anything in it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { start: fields[19] ?? '', isDead: fields[0] === 'Z' || fields[0] === 'X' }
  }
  if (process.platform === 'linux' || process.platform === 'win32') return { start: '', isDead: false }
  try {
    const options = {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }
    const [state = '', ...start] = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], options)
      .trim()
      .split(/\s+/)
    return { start: start.join(' '), isDead: state.startsWith('Z') }
  } catch {
    return { start: '', isDead: false }
  }
}

function textOf(path) {
  try {
    return fs.readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

function linkOf(path) {
  try {
    return fs.readlinkSync(path)
  } catch {
    return ''
  }
}

module.exports = { lockFile }
