// What the sources of supervisor/ must not do, beside the dependency rules. Each exception has its reason here.

interface Rule {
  /** On a line without comments and texts; the first group is shown, or all of it. */
  readonly pattern: RegExp
  /** What to do instead. */
  readonly instead: string
  /** A file or a folder that may, or `file: what it may`; and why. */
  readonly allowed: ReadonlyMap<string, string>
  /** Where it holds. @default everywhere */
  readonly within?: string
}

/** What a key is called that somebody else may have chosen. */
const NAMES =
  'name key header argument option worker queue address id field variable machine file property code command'
    .split(' ')
    .flatMap((name) => [name, `\\w*[a-z]${name.charAt(0).toUpperCase()}${name.slice(1)}`])

const WALL_CLOCK: Rule = {
  pattern: /\b(?:Date\.now\b|new Date\(\)|Date\(\))/,
  instead:
    'the wall clock may be set at any time: measure by performance.now(), or say in {file} why it is the right one',
  allowed: new Map([
    ['supervisor/base/lock-file.cjs', "a file's time stamp"],
    ['supervisor/base/log.ts', 'the time of a line, which is shown'],
    ['supervisor/base/uuid.ts', 'the time in a UUIDv7 is that of the world'],
    ['supervisor/broker/clock.ts', 'when messages expire is kept over restarts'],
    ['supervisor/broker/vhost/letter.ts', 'the time in x-death, which is shown'],
    ['supervisor/execution/settle.ts', 'the time in a dead letter, which is shown'],
    ['supervisor/messaging/orphans.ts', 'compared with the time of an entry, which another process wrote'],
    ['supervisor/messaging/registry-entries.ts', 'when something was declared, which is shown'],
    ['supervisor/messaging/route.ts', 'the time stamp of a message and when it is due, which others read'],
    ['supervisor/scaling/autoscale.ts', 'the time of a decision, which is shown'],
    ['supervisor/scaling/rollout.ts', 'compared with the times that pm2 gives'],
    ['supervisor/scaling/status.ts', 'compared with the times that pm2 gives'],
  ]),
}

const KEYS: Rule = {
  pattern: new RegExp(String.raw`(\w*(?:\w|\)|\]|\?\.)\[(?:\w+\.)*(?:${NAMES.join('|')})\])`),
  instead: 'a name that somebody has chosen may be that of what every object inherits: use a Map, or ask Object.hasOwn',
  allowed: new Map([
    ['supervisor/amqp/', "names of the protocol's own, and tables without a prototype"],
    ['supervisor/base/backoff.ts', "options' own names"],
    ['supervisor/base/config.ts', "variables' own names; the environment inherits nothing"],
    ['supervisor/base/definitions.ts', "options' own names"],
    ['supervisor/base/foreign.ts', 'reads whatever there is, and trusts none of it'],
    ['supervisor/base/json.ts', 'fields that the object itself has listed'],
    ['supervisor/base/scale.ts', "options' own names"],
    ['supervisor/broker/errors.ts', "the protocol's own codes"],
    ['supervisor/broker/protocol/closing.ts', "methods' own names"],
    ['supervisor/broker/queues/argument-checks.ts', 'known arguments, of tables without a prototype'],
    ['supervisor/broker/queues/arguments.ts', 'known arguments, of tables without a prototype'],
    ['supervisor/broker/queues/equivalence.ts', 'known arguments, of tables without a prototype'],
    ['supervisor/commands/dead.ts', 'commands that Object.hasOwn has found, and their own options'],
    ['supervisor/http/server.ts', "the system's codes of errors"],
    ['supervisor/messaging/wire/', 'header by header: one that is inherited is never read, nor written'],
    ['supervisor/scaling/project.ts', "variables' own names"],
  ]),
}

const IN: Rule = {
  pattern: /(?<!\b(?:const|let|var) |\[)\b(\w+ in \w+)/,
  instead: 'what an object inherits is in it as well: use a Map, or ask Object.hasOwn',
  allowed: new Map(),
}

const RECORDS: Rule = {
  pattern: /(\bRecord<string, (?!unknown>)[^>]*>?)/,
  instead: 'use a Map for what is found by a name; Record<string, unknown> is for what is not known yet',
  allowed: new Map([
    ['supervisor/amqp/', "names of the protocol's own"],
    ['supervisor/base/app-env.ts', 'an environment'],
    ['supervisor/base/app-mark.ts', 'an environment'],
    ['supervisor/base/error-record.ts', 'written out one by one'],
    ['supervisor/base/fleet.ts', 'JSON for those who ask; Warren looks nothing up in it'],
    ['supervisor/broker/', "names of the protocol's own, or read with Object.hasOwn"],
    ['supervisor/command-line.ts', 'read with Object.hasOwn'],
    ['supervisor/cli.ts', 'read with Object.hasOwn'],
    ['supervisor/http/problem.ts', 'headers that are written one by one'],
    ['supervisor/http/read-json.ts', 'headers that are written one by one'],
    ['supervisor/http/server.ts', "the system's codes of errors"],
    ['supervisor/messaging/machines.ts', 'JSON from others, made a Map at once'],
    ['supervisor/scaling/notes.ts', 'JSON from a file, made a Map at once'],
    ['supervisor/scaling/pm2.ts', 'an environment'],
  ]),
}

const CAUGHT: Rule = {
  pattern:
    /(\(\w+ as (?:Error|NodeJS\.ErrnoException)\b[^)]*\)\??\.(?:message|stack|name)\b|String\((?:error|err|thrown|reason)\))/,
  instead: 'what was thrown may be anything, and reading it may throw: use recordOf or reasonOf',
  allowed: new Map([['supervisor/base/foreign.ts', 'reads whatever there is, and trusts none of it']]),
}

const CONSOLE: Rule = {
  pattern: /\bconsole\.\w+/,
  instead: 'processes log by the logger that they are given, whose output can fail without them',
  allowed: new Map([
    ['supervisor/build.cjs', "a command's output"],
    ['supervisor/check-project.ts', "a command's output"],
    ['supervisor/cli.ts', "a command's output"],
    ['supervisor/command-line.ts', "a command's output"],
  ]),
}

const ANY_SIGNAL: Rule = {
  pattern: /\bAbortSignal\.any\b/,
  instead: 'each of its signals keeps a bit of every call for as long as it lives: listen to them, and stop listening',
  allowed: new Map(),
}

const NAKED_TIMERS: Rule = {
  pattern: /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|process\.nextTick)\(/,
  instead: 'what a timer throws ends the broker, with all its clients: use later, every or soon of guard.ts',
  allowed: new Map([['supervisor/broker/guard.ts', 'where they are caught']]),
  within: 'supervisor/broker/',
}

const RULES = [WALL_CLOCK, KEYS, IN, RECORDS, CAUGHT, CONSOLE, ANY_SIGNAL, NAKED_TIMERS]

/** Every breach of these rules in the files, each a sentence that names the place. */
export function forbidden(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([path, source]) => {
    if (!path.startsWith('supervisor/')) return []
    const lines = codeOf(source).split('\n')
    return RULES.flatMap(({ pattern, instead, allowed, within = '' }) => {
      if (!path.startsWith(within)) return []
      if ([...allowed.keys()].some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place)))
        return []
      return lines.flatMap((line, index) => {
        const found = pattern.exec(line)
        const what = found?.[1] ?? found?.[0]
        if (what === undefined || (pattern === KEYS.pattern && line.includes('Object.hasOwn('))) return []
        return [`${path}:${index + 1} has '${what}': ${instead.replace('{file}', 'test/helpers/source-rules.ts')}`]
      })
    })
  })
}

/** The source without its comments and texts, line by line; what is put into a text is left. */
function codeOf(source: string): string {
  const lines = (text: string) => text.replace(/[^\n]/g, '')
  return source
    .replace(/\/\*.*?\*\//gs, lines)
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''")
    .replace(/"(?:[^"\\\n]|\\.)*"/g, '""')
    .replace(/`(?:[^`\\]|\\.)*`/gs, (text) => {
      const inserted = [...text.matchAll(/\$\{([^{}]*)\}/g)].map(([, code]) => code)
      return `(${inserted.join('; ')}${lines(text)})`
    })
    .replace(/\s\/\/ .*$/gm, '')
}
