/** Finds the tokens that begin at a place of a text. */

export interface TokenTrie<T> {
  /** Calls `visit` for every token at `start`, the shortest first. */
  visit(text: string, start: number, visit: (token: T, end: number) => void): void;
  readonly isEmpty: boolean;
}

interface TrieNode<T> {
  readonly children: Map<number, TrieNode<T>>;
  token: T | undefined;
}

/** @param textOf what is looked for; of tokens with one text the first counts, and none with the empty text */
export function createTokenTrie<T>(tokens: readonly T[], textOf: (token: T) => string): TokenTrie<T> {
  const root: TrieNode<T> = { children: new Map(), token: undefined };
  for (const token of tokens) {
    const text = textOf(token);
    let node = root;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      let child = node.children.get(unit);
      if (child === undefined) {
        child = { children: new Map(), token: undefined };
        node.children.set(unit, child);
      }
      node = child;
    }
    if (text !== '') node.token ??= token;
  }
  return {
    visit(text, start, visit) {
      let node: TrieNode<T> | undefined = root;
      for (let at = start; at < text.length; at++) {
        node = node.children.get(text.charCodeAt(at));
        if (node === undefined) return;
        if (node.token !== undefined) visit(node.token, at + 1);
      }
    },
    isEmpty: root.children.size === 0,
  };
}
