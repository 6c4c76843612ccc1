import { posix } from 'node:path'

/** Warren's parts: folders of supervisor/ that know nothing of each other. */
const PARTS = ['broker', 'commands', 'execution', 'http', 'messaging', 'process', 'scaling']

/** Folders that all parts may use, each with those among them that it may use itself. */
const LEAVES: Record<string, readonly string[]> = { base: ['base'], amqp: ['amqp', 'base'] }

/** Who alone may import a package: a folder, or a file. */
const OWNERS: Record<string, readonly string[]> = {
  // Its channels' promises may never settle, or reject unhandled: everybody else has a link's.
  amqplib: [
    'supervisor/messaging/link.ts',
    'supervisor/messaging/link-channel.ts',
    'supervisor/amqp/amqplib-inside.ts',
  ],
  lmdb: ['supervisor/broker/store/'],
  piscina: ['supervisor/execution/'],
  pm2: ['supervisor/scaling/'],
  pino: ['supervisor/base/log.ts'],
  'pino-pretty': ['supervisor/base/log.ts', 'supervisor/command-line.ts'],
}

/** Who alone may touch what is no part of amqplib's API, as far as names tell. */
const INSIDE = {
  owner: 'supervisor/amqp/amqplib-inside.ts',
  names:
    /\b(recvFrame|recvSinceLastCheck|sendMethod|sendMessage|sendImmediately|sentSinceLastCheck|pushConfirmCallback)\b/,
}

const MAX_LINES = 300

export interface Import {
  /** As written. */
  readonly specifier: string
  /** A path from the project's root for a relative import, else the package's name. */
  readonly target: string
  /** Erased by the compiler. */
  readonly typeOnly: boolean
}

/** The imports of a source file: static ones, re-exports, `import()` of values and of types, `require()`. */
export function importsOf(path: string, source: string): Import[] {
  const code = source.replace(/\/\*.*?\*\//gs, '').replace(/^\s*\/\/.*$/gm, '')
  const forms = [
    /^import\s+(?<type>type\s+)?(?:[\w$*{},\s]+?\s+from\s+)?'(?<specifier>[^']+)'/gm,
    /^export\s+(?<type>type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+'(?<specifier>[^']+)'/gm,
    // What follows tells `import('x').Type` from `(await import('x')).value`.
    /\bimport\(\s*'(?<specifier>[^']+)'\s*\)(?<type>\.[A-Z])?/g,
    /\brequire\(\s*'(?<specifier>[^']+)'\s*\)/g,
  ]
  return forms.flatMap((form) =>
    [...code.matchAll(form)].map(({ groups }) => {
      const specifier = groups?.specifier ?? ''
      const target = specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : packageOf(specifier)
      return { specifier, target, typeOnly: groups?.type !== undefined }
    }),
  )
}

/** Every breach of Warren's dependency rules in the files, each a sentence that names the file and the import. */
export function breaches(files: ReadonlyMap<string, string>): string[] {
  const found: string[] = []
  const runtime = new Map<string, string[]>()

  for (const [path, source] of files) {
    const lines = source.trimEnd().split('\n').length
    if (lines > MAX_LINES) found.push(`${path} has ${lines} lines; at most ${MAX_LINES} are allowed`)
    if (path.startsWith('test/')) continue

    const home = homeOf(path)
    if (home === undefined) {
      const names = [...Object.keys(LEAVES), ...PARTS].join(', ')
      found.push(`${path} is in none of the folders that supervisor/ has: ${names}`)
    }

    const inner = path.startsWith('supervisor/') && path !== INSIDE.owner ? INSIDE.names.exec(source)?.[0] : undefined
    if (inner) found.push(`${path} names '${inner}', which is no part of amqplib's API: only ${INSIDE.owner} may`)

    const imports = importsOf(path, source)
    runtime.set(
      path,
      imports.filter(({ typeOnly }) => !typeOnly).map(({ target }) => target),
    )
    for (const { specifier, target } of imports) {
      const reason = problem(path, home, specifier, target)
      if (reason) found.push(`${path} imports '${specifier}': ${reason}`)
    }
  }
  return [...found, ...cycles(runtime).map((cycle) => `an import cycle: ${cycle.join(' -> ')}`)]
}

/** Where a file belongs: a part's name or a leaf's, or `entry`, `user`. */
function homeOf(path: string): string | undefined {
  const [top, folder, rest] = path.split('/')
  if (top !== 'supervisor') return 'user'
  if (rest === undefined) return 'entry'
  return [...Object.keys(LEAVES), ...PARTS].find((name) => name === folder)
}

function problem(path: string, home: string | undefined, specifier: string, target: string): string | undefined {
  const owners = OWNERS[target]
  if (owners && !owners.some((owner) => path.startsWith(owner))) return `only ${owners.join(', ')} may`

  if (home === 'user') {
    if (specifier.startsWith('warren/')) return "workers/ and routes/ import of Warren only 'warren'"
    if (target.startsWith('supervisor/')) return "workers/ and routes/ import of Warren only 'warren'"
    return undefined
  }
  if (target === 'warren' || target === 'supervisor/index.ts') return 'the public face is for outside of supervisor/'
  if (/^(workers|routes|test)\//.test(target)) return 'Warren finds them at run time and knows none of them'
  if (!target.startsWith('supervisor/')) return undefined

  const there = homeOf(target)
  // The command line's door looks at Node's version first.
  if (path === 'supervisor/cli.ts' && target === 'supervisor/command-line.ts') return undefined
  if (there === 'entry') return 'nobody imports an entry'
  const usable = home === undefined ? undefined : LEAVES[home]
  if (usable && !usable.includes(there ?? '')) return `${home}/ imports no part`
  if (usable || home === 'entry' || there === home || LEAVES[there ?? '']) return undefined
  return 'parts know nothing of each other: entries wire them'
}

/** The cycles among the files, each once, as the path around it. */
function cycles(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  for (const path of imports.keys()) visit(path, [])
  return found

  function visit(path: string, trail: readonly string[]): void {
    const start = trail.indexOf(path)
    if (start >= 0) return void found.push([...trail.slice(start), path])
    if (done.has(path)) return
    for (const target of imports.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
}

/** 'hono' of 'hono/cors', '@hono/node-server' of '@hono/node-server/serve-static'. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}
