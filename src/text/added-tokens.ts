/** Finds tokens that are matched in a text as a whole, before anything else is done to it. */
import type { SpecialFilter } from './tokenizer.ts';

export interface AddedToken {
  readonly id: number;
  readonly text: string;
  /** A control token: matches only where the caller allows it. */
  readonly special: boolean;
  /** White space to the left or right of a match belongs to it. */
  readonly stripLeft?: boolean | undefined;
  readonly stripRight?: boolean | undefined;
  /** Matches only where no letter, digit or underscore touches it. */
  readonly wholeWord?: boolean | undefined;
}

/** A run of plain text, or one added token. */
export type TextFragment = string | number;

/**
 * `longestToken`: longer tokens are looked for in all of the text before shorter ones, as llama.cpp does.
 * `leftmost`: from the left, the longest at each place, as tokenizer.json has it.
 */
export type MatchOrder = 'longestToken' | 'leftmost';

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  token: AddedToken | undefined;
}

interface Match {
  readonly start: number;
  readonly end: number;
  readonly token: AddedToken;
}

export function createAddedTokenSplitter(
  tokens: readonly AddedToken[],
  order: MatchOrder,
): (text: string, allowSpecial: SpecialFilter) => TextFragment[] {
  const root = buildTrie(tokens);
  if (root.children.size === 0) return (text) => [text];
  return (text, allowSpecial) => {
    const search = { root, text, allowSpecial };
    const found = order === 'leftmost' ? leftmostMatches(search) : longestFirst(allMatches(search));
    return found.length === 0 ? [text] : fragmentsOf(text, found);
  };
}

interface Search {
  readonly root: TrieNode;
  readonly text: string;
  readonly allowSpecial: SpecialFilter;
}

function buildTrie(tokens: readonly AddedToken[]): TrieNode {
  const root: TrieNode = { children: new Map(), token: undefined };
  for (const token of tokens) {
    let node = root;
    for (let at = 0; at < token.text.length; at++) {
      const unit = token.text.charCodeAt(at);
      let child = node.children.get(unit);
      if (child === undefined) {
        child = { children: new Map(), token: undefined };
        node.children.set(unit, child);
      }
      node = child;
    }
    if (token.text !== '') node.token ??= token;
  }
  return root;
}

/** Calls `visit` for every token that starts at `start`, the shortest first. */
function visitMatches({ root, text, allowSpecial }: Search, start: number, visit: (match: Match) => void): void {
  let node: TrieNode | undefined = root;
  for (let at = start; at < text.length; at++) {
    node = node.children.get(text.charCodeAt(at));
    if (node === undefined) return;
    const { token } = node;
    if (token === undefined || (token.special && !allowSpecial(start, at + 1))) continue;
    if (token.wholeWord !== true || standsAlone(text, start, at + 1)) visit({ start, end: at + 1, token });
  }
}

const wordChar = /[\p{L}\p{N}\p{M}_]/u;

function standsAlone(text: string, start: number, end: number): boolean {
  return !wordChar.test(text[start - 1] ?? ' ') && !wordChar.test(text[end] ?? ' ');
}

function allMatches(search: Search): Match[] {
  const matches: Match[] = [];
  for (let start = 0; start < search.text.length; start++) visitMatches(search, start, (match) => matches.push(match));
  return matches;
}

function leftmostMatches(search: Search): Match[] {
  const matches: Match[] = [];
  for (let start = 0; start < search.text.length; ) {
    let longest: Match | undefined;
    visitMatches(search, start, (match) => (longest = match));
    if (longest !== undefined) matches.push(longest);
    start = longest === undefined ? start + 1 : (longest as Match).end;
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
  const pushText = (to: number, stripEnd: boolean): void => {
    if (to <= from) return;
    const gap = text.slice(from, to);
    const kept = stripEnd ? gap.trimEnd() : gap;
    if (kept !== '') fragments.push(kept);
  };
  for (const { start, end, token } of matches) {
    pushText(start, token.stripLeft === true);
    fragments.push(token.id);
    from = end;
    if (token.stripRight === true) while (from < text.length && text[from]!.trim() === '') from++;
  }
  pushText(text.length, false);
  return fragments;
}
