import { countOf, itemsOf, type OneOrMore, withItem, withoutItem } from '../one-or-more.ts'
import type { Effort } from './effort.ts'
import type { Binding, Matcher } from './matcher.ts'

// A node has what it needs, and no more: each of tens of thousands of bindings has some of its own.
interface Node {
  children: Map<string, Node> | undefined
  bindings: OneOrMore<Binding> | undefined
  /** Stands for `#`: it takes any number of words. */
  readonly isRest: boolean
  /** The step of a search that has been here last. */
  visited: number
}

/**
 * A trie over the words of binding keys: `*` stands for one word, `#` for any number of words, none included (AMQP
 * 0-9-1, 3.1.3.3).
 */
export function topicMatcher(): Matcher {
  const root = newNode(false)
  let step = 0

  /** The nodes that the words lead to: all of them at once, word by word, so that several `#` cost no more than one. */
  function search(words: readonly string[], effort: Effort): Node[] {
    let nodes: Node[] = []
    step++
    enter(root, nodes)
    for (const word of words) {
      effort.spend(nodes.length)
      const next: Node[] = []
      step++
      for (const node of nodes) {
        if (node.isRest) enter(node, next)
        // A word that is itself `*` or `#` in a routing key is an ordinary word, which the wildcard's branch covers.
        const exact = word === '*' || word === '#' ? undefined : node.children?.get(word)
        if (exact) enter(exact, next)
        const any = node.children?.get('*')
        if (any) enter(any, next)
      }
      nodes = next
    }
    effort.spend(nodes.length)
    return nodes
  }

  function enter(node: Node, nodes: Node[]): void {
    if (node.visited === step) return
    node.visited = step
    nodes.push(node)
    const rest = node.children?.get('#')
    if (rest) enter(rest, nodes)
  }

  return {
    add(binding) {
      let node = root
      for (const word of normalised(binding.routingKey)) {
        const child: Node = node.children?.get(word) ?? newNode(word === '#')
        node.children ??= new Map()
        node.children.set(word, child)
        node = child
      }
      node.bindings = withItem(node.bindings, binding)
    },

    remove(binding) {
      const path = [root]
      const words = normalised(binding.routingKey)
      for (const word of words) {
        const child = path.at(-1)?.children?.get(word)
        if (!child) return
        path.push(child)
      }
      const last = path.at(-1) as Node
      last.bindings = withoutItem(last.bindings, binding)
      // What is empty now must not make the next search longer.
      for (let depth = words.length; depth > 0; depth--) {
        const node = path[depth] as Node
        if (node.bindings || node.children?.size) return
        path[depth - 1]?.children?.delete(words[depth - 1] as string)
      }
    },

    match(routingKeys, _headers, effort) {
      const found = new Set<Binding>()
      for (const key of routingKeys) {
        for (const { bindings } of search(wordsOf(key), effort)) {
          effort.spend(countOf(bindings))
          for (const binding of itemsOf(bindings)) found.add(binding)
        }
      }
      return found
    },
  }
}

/** The words of a binding key, with `#` once and last among neighbouring wildcards: `#.*.#` takes what `*.#` takes. */
function normalised(key: string): string[] {
  const words: string[] = []
  let isRest = false
  for (const word of wordsOf(key)) {
    if (word === '#') {
      isRest = true
      continue
    }
    if (word !== '*' && isRest) {
      words.push('#')
      isRest = false
    }
    words.push(word)
  }
  if (isRest) words.push('#')
  return words
}

/** An empty key has no words, and not one that is empty. */
function wordsOf(key: string): string[] {
  return key === '' ? [] : key.split('.')
}

function newNode(isRest: boolean): Node {
  return { children: undefined, bindings: undefined, isRest, visited: 0 }
}
