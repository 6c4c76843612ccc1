import { readFileSync } from 'node:fs'

/** A fenced block of a Markdown file. */
export interface Block {
  readonly language: string
  readonly text: string
  /** Where it begins, for messages. */
  readonly line: number
}

export interface Readme {
  readonly text: string
  readonly blocks: readonly Block[]
  /** The table under the heading whose columns are these, as rows of cells. */
  table(columns: readonly string[], heading?: string): string[][]
}

export function readReadme(path: string): Readme {
  const text = readFileSync(path, 'utf8')
  const lines = text.split('\n')
  return {
    text,
    blocks: blocksOf(lines),
    table(columns, heading) {
      const from = heading === undefined ? 0 : lines.findIndex((line) => /^#+ /.test(line) && line.endsWith(heading))
      const head = lines.findIndex((line, i) => i >= from && line === `| ${columns.join(' | ')} |`)
      if (from < 0 || head < 0) throw new Error(`${path}: expected a table of ${columns.join(', ')}, found none`)
      const rest = lines.slice(head + 2)
      const end = rest.findIndex((line) => !line.startsWith('|'))
      return rest.slice(0, end).map((line) => line.replace(/^\| | \|$/g, '').split(' | '))
    },
  }
}

/** The code spans of a text, without their backticks; blocks left out. */
export function codeSpans(text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/`([^`]+)`/g)].map(([, code]) => code as string)
}

function blocksOf(lines: readonly string[]): Block[] {
  const blocks: Block[] = []
  let open: { language: string; line: number; content: string[] } | undefined
  for (const [index, line] of lines.entries()) {
    const fence = /^```(\w*)$/.exec(line)
    if (!fence) open?.content.push(line)
    else if (open) {
      blocks.push({ language: open.language, line: open.line, text: open.content.join('\n') })
      open = undefined
    } else open = { language: fence[1] as string, line: index + 1, content: [] }
  }
  if (open) throw new Error(`expected the block of line ${open.line} to end, found the end of the file`)
  return blocks
}
