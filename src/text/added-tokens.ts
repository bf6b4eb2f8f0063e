/** Finds tokens that are matched in a text as a whole, before anything else is done to it, in the order of llama.cpp. */
import { createTokenTrie } from './token-trie.ts';
import type { TokenTrie } from './token-trie.ts';
import type { SpecialFilter } from './tokenizer.ts';

export interface AddedToken {
  readonly id: number;
  readonly text: string;
  /** A control token: matches only where the caller allows it. */
  readonly special: boolean;
}

/** A run of plain text, or one added token. */
export type TextFragment = string | number;

interface Match {
  readonly start: number;
  readonly end: number;
  readonly token: AddedToken;
}

/** Longer tokens are looked for in all of the text before shorter ones. */
export function createAddedTokenSplitter(tokens: readonly AddedToken[]): (text: string, allowSpecial: SpecialFilter) => TextFragment[] {
  const trie = createTokenTrie(tokens, (token) => token.text);
  if (trie.isEmpty) return (text) => [text];
  return (text, allowSpecial) => {
    const found = longestFirst(allMatches(trie, text, allowSpecial));
    return found.length === 0 ? [text] : fragmentsOf(text, found);
  };
}

function allMatches(trie: TokenTrie<AddedToken>, text: string, allowSpecial: SpecialFilter): Match[] {
  const matches: Match[] = [];
  for (let start = 0; start < text.length; start++) {
    trie.visit(text, start, (token, end) => {
      if (!token.special || allowSpecial(start, end)) matches.push({ start, end, token });
    });
  }
  return matches;
}

/** Picks matches by length of token in bytes, then from the left, leaving out what overlaps one picked before. */
function longestFirst(matches: Match[]): Match[] {
  if (matches.length < 2) return matches;
  const utf8 = new TextEncoder();
  const sizes = new Map<number, number>();
  for (const { token } of matches) {
    if (!sizes.has(token.id)) sizes.set(token.id, utf8.encode(token.text).length);
  }
  const sizeOf = (match: Match): number => sizes.get(match.token.id)!;
  const candidates = [...matches].sort(
    (a, b) => sizeOf(b) - sizeOf(a) || a.token.id - b.token.id || a.start - b.start,
  );
  const taken = new Uint8Array(matches.reduce((end, match) => Math.max(end, match.end), 0));
  const picked = candidates.filter((match) => {
    if (taken.subarray(match.start, match.end).includes(1)) return false;
    taken.fill(1, match.start, match.end);
    return true;
  });
  return picked.sort((a, b) => a.start - b.start);
}

function fragmentsOf(text: string, matches: readonly Match[]): TextFragment[] {
  const fragments: TextFragment[] = [];
  let from = 0;
  for (const { start, end, token } of matches) {
    if (start > from) fragments.push(text.slice(from, start));
    fragments.push(token.id);
    from = end;
  }
  if (from < text.length) fragments.push(text.slice(from));
  return fragments;
}
