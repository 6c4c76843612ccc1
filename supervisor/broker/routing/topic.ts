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
      for (const word of binding.routingKey.split('.')) {
        const child = node.children.get(word) ?? newNode()
        node.children.set(word, child)
        node = child
      }
      node.bindings.add(binding)
    },

    remove(binding) {
      const path = [root]
      const words = binding.routingKey.split('.')
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
      const found = new Set<Binding>()
      search(root, routingKey.split('.'), 0, found)
      return found
    },
  }
}

function search(node: Node, words: readonly string[], index: number, found: Set<Binding>): void {
  const rest = node.children.get('#')
  if (rest) for (let skip = index; skip <= words.length; skip++) search(rest, words, skip, found)
  if (index === words.length) {
    for (const binding of node.bindings) found.add(binding)
    return
  }
  const exact = node.children.get(words[index] as string)
  // A word that is itself `*` or `#` in a routing key is an ordinary word, which the wildcard's branch covers.
  if (exact && words[index] !== '*' && words[index] !== '#') search(exact, words, index + 1, found)
  const any = node.children.get('*')
  if (any) search(any, words, index + 1, found)
}

function newNode(): Node {
  return { children: new Map(), bindings: new Set() }
}
