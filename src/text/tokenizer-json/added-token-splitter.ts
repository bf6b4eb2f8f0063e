/** Cuts a text at added tokens as tokenizers does: from the left, the longest at each place. */
import type { CharSet } from '../oniguruma/char-set.ts';
import { createTokenTrie } from '../token-trie.ts';
import type { TokenTrie } from '../token-trie.ts';
import type { JsonAddedToken } from './added-vocabulary.ts';
import { regexWordChars } from './unicode-of-crates.ts';
import { leadingSpaceEnd, trailingSpaceStart } from './white-space.ts';

/** An added token, or a stretch of plain text by its UTF-16 offsets. */
export type Section = { readonly id: number } | { readonly start: number; readonly end: number };

interface Match {
  readonly start: number;
  readonly end: number;
  readonly token: JsonAddedToken;
}

interface Search {
  readonly trie: TokenTrie<JsonAddedToken>;
  readonly text: string;
  readonly isAllowed: (match: Match) => boolean;
  readonly isHiding: (match: Match) => boolean;
  readonly word: CharSet;
}

export interface SplitRequest {
  readonly text: string;
  /** Whether a special token may stand at a place. */
  allows(start: number, end: number, text: string): boolean;
  /** A special token in text where none may be is passed over with all that lies in it, as tokenizers does. */
  readonly hidesRefused: boolean;
}

export type AddedTokenSplitter = (request: SplitRequest) => readonly Section[];

export function createJsonAddedTokenSplitter(tokens: readonly JsonAddedToken[]): AddedTokenSplitter {
  const trie = createTokenTrie(tokens, (token) => token.pattern);
  if (trie.isEmpty) return ({ text }) => [{ start: 0, end: text.length }];
  const word = regexWordChars();
  return ({ text, allows, hidesRefused }) => {
    const isAllowed = ({ token, start, end }: Match): boolean => !token.special || allows(start, end, token.text);
    // One that reaches out of such text hides nothing: whoever wrote that text could choose it.
    const isHiding = ({ start, end, token }: Match): boolean =>
      hidesRefused && !allows(start, start + 1, token.text) && !allows(end - 1, end, token.text);
    return sectionsOf(text, findMatches({ trie, text, isAllowed, isHiding, word }));
  };
}

function findMatches(search: Search): Match[] {
  const { trie, text, isAllowed, isHiding } = search;
  const found: Match[] = [];
  for (let start = 0; start < text.length; ) {
    const here: Match[] = [];
    trie.visit(text, start, (token, end) => here.unshift({ start, end, token }));
    let next = start + 1;
    for (const match of here) {
      if (isAllowed(match)) {
        // A token that must stand alone and does not is passed over, with all that lies in it.
        if (!match.token.wholeWord || standsAlone(search, match)) found.push(match);
        next = match.end;
        break;
      }
      if (isHiding(match)) {
        next = match.end;
        break;
      }
    }
    start = next;
  }
  return found;
}

function standsAlone({ text, word }: Search, { start, end }: Match): boolean {
  const before = start === 0 ? -1 : text.codePointAt(isSecondHalf(text, start - 1) ? start - 2 : start - 1)!;
  const after = end === text.length ? -1 : text.codePointAt(end)!;
  return !(before >= 0 && word.has(before)) && !(after >= 0 && word.has(after));
}

function isSecondHalf(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return at > 0 && unit >= 0xdc00 && unit < 0xe000;
}

function sectionsOf(text: string, matches: readonly Match[]): Section[] {
  const sections: Section[] = [];
  let from = 0;
  for (const { start, end, token } of matches) {
    const textEnd = token.stripLeft ? Math.max(trailingSpaceStart(text, start), from) : start;
    if (textEnd > from) sections.push({ start: from, end: textEnd });
    sections.push({ id: token.id });
    from = token.stripRight ? leadingSpaceEnd(text, end) : end;
  }
  if (from !== text.length) sections.push({ start: from, end: text.length });
  return sections;
}
