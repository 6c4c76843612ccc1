import type { Binding, Matcher } from './matcher.ts'

interface Node {
  readonly children: Map<string, Node>
  readonly bindings: Set<Binding>
}

/**
 * A trie over the words of binding keys: `*` stands for one word, `#` for any number of words, none included (AMQP
 * 0-9-1, 3.1.3.3).
 */
export function topicMatcher(): Matcher {
  const root = newNode()

  return {
    add(binding) {
      let node = root
      for (const word of wordsOf(binding.routingKey)) {
        const child = node.children.get(word) ?? newNode()
        node.children.set(word, child)
        node = child
      }
      node.bindings.add(binding)
    },

    remove(binding) {
      const path = [root]
      const words = wordsOf(binding.routingKey)
      for (const word of words) {
        const child = path.at(-1)?.children.get(word)
        if (!child) return
        path.push(child)
      }
      path.at(-1)?.bindings.delete(binding)
      // What is empty now must not make the next search longer.
      for (let depth = words.length; depth > 0; depth--) {
        const node = path[depth] as Node
        if (node.bindings.size > 0 || node.children.size > 0) return
        path[depth - 1]?.children.delete(words[depth - 1] as string)
      }
    },

    match(routingKey) {
      return search(root, wordsOf(routingKey))
    },
  }
}

function search(root: Node, words: readonly string[]): Set<Binding> {
  const found = new Set<Binding>()
  /** Where a `#` has led already: several in one key would otherwise take exponential time. */
  const visited = new Map<Node, Set<number>>()
  visit(root, 0)
  return found

  function visit(node: Node, index: number): void {
    const rest = node.children.get('#')
    if (rest) for (let next = index; next <= words.length; next++) visitOnce(rest, next)
    if (index === words.length) {
      for (const binding of node.bindings) found.add(binding)
      return
    }
    const word = words[index] as string
    // A word that is itself `*` or `#` in a routing key is an ordinary word, which the wildcard's branch covers.
    const exact = word === '*' || word === '#' ? undefined : node.children.get(word)
    if (exact) visit(exact, index + 1)
    const any = node.children.get('*')
    if (any) visit(any, index + 1)
  }

  function visitOnce(node: Node, index: number): void {
    const seen = visited.get(node) ?? new Set()
    visited.set(node, seen)
    if (seen.has(index)) return
    seen.add(index)
    visit(node, index)
  }
}

/** An empty key has no words, and not one that is empty. */
function wordsOf(key: string): string[] {
  return key === '' ? [] : key.split('.')
}

function newNode(): Node {
  return { children: new Map(), bindings: new Set() }
}
