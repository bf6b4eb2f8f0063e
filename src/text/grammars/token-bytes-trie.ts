/** The bytes of a vocabulary's tokens as a tree in arrays, in the order of a walk that visits a node before its children. */
import type { Tokenizer } from '../tokenizer.ts';

export interface TokenBytesTrie {
  readonly vocabSize: number;
  /** Of node i, without the root: the byte that leads to it, how many bytes lead there, and the node after all below it. */
  readonly bytes: Uint8Array;
  readonly depths: Uint16Array;
  readonly ends: Int32Array;
  /** The first token that ends at a node, -1 where none does. */
  readonly tokens: Int32Array;
  /** By token: another one of the same bytes, or -1. */
  readonly nextAlike: Int32Array;
  readonly deepest: number;
  /** Of a token; undefined for one that stands for no text of its own. */
  bytesOf(token: number): Uint8Array | undefined;
}

/**
 * Nodes below one (-1: of the whole tree), in their order, as far as they are entered: below one that is not, none is.
 * @param enter of a node, and how far below the first one it is
 */
export function walkBelow({ bytes, depths, ends }: TokenBytesTrie, root: number, enter: (node: number, depth: number) => boolean): void {
  const [end, base] = root < 0 ? [bytes.length, 0] : [ends[root] as number, depths[root] as number];
  for (let node = root + 1; node < end; ) node = enter(node, (depths[node] as number) - base) ? node + 1 : (ends[node] as number);
}

/** Of a model's vocabulary, which may be larger than the tokenizer's; special tokens and those without bytes are left out. */
export function tokenBytesTrie(tokenizer: Tokenizer, modelVocab: number): TokenBytesTrie {
  const { endIds } = tokenizer;
  const vocabSize = modelVocab;
  const texts: string[] = [];
  const ids: number[] = [];
  for (let id = 0; id < Math.min(modelVocab, tokenizer.vocabSize); id++) {
    if (tokenizer.isSpecial(id) || endIds.has(id)) continue;
    const bytes = tokenizer.tokenBytes(id);
    if (bytes.length === 0) continue;
    texts[id] = String.fromCharCode(...bytes);
    ids.push(id);
  }
  // A character of these texts is a byte, so that their order is that of the bytes.
  ids.sort((a, b) => ((texts[a] as string) < (texts[b] as string) ? -1 : texts[a] === texts[b] ? a - b : 1));
  return buildTrie(vocabSize, ids, texts);
}

function buildTrie(vocabSize: number, ids: readonly number[], texts: readonly string[]): TokenBytesTrie {
  const most = ids.reduce((sum, id) => sum + (texts[id] as string).length, 0);
  const bytes = new Uint8Array(most);
  const depths = new Uint16Array(most);
  const ends = new Int32Array(most);
  const tokens = new Int32Array(most).fill(-1);
  const nextAlike = new Int32Array(vocabSize).fill(-1);
  const path: number[] = [];
  let count = 0;
  let deepest = 0;
  let before = '';
  for (const id of ids) {
    const text = texts[id] as string;
    let shared = 0;
    while (shared < before.length && shared < text.length && before.charCodeAt(shared) === text.charCodeAt(shared)) shared++;
    while (path.length > shared) ends[path.pop() as number] = count;
    for (let i = shared; i < text.length; i++) {
      bytes[count] = text.charCodeAt(i);
      depths[count] = i + 1;
      path.push(count++);
    }
    const node = path.at(-1) as number;
    nextAlike[id] = tokens[node] as number;
    tokens[node] = id;
    deepest = Math.max(deepest, text.length);
    before = text;
  }
  while (path.length > 0) ends[path.pop() as number] = count;
  return {
    vocabSize, bytes: bytes.slice(0, count), depths: depths.slice(0, count), ends: ends.slice(0, count), tokens: tokens.slice(0, count),
    nextAlike, deepest,
    bytesOf(token) {
      const text = texts[token];
      return text === undefined ? undefined : Uint8Array.from(text, (char) => char.charCodeAt(0));
    },
  };
}
