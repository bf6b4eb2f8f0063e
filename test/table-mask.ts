/** The mask of a grammar's table, walked over the tree of a vocabulary: what the kernel finds token by token. */
import { mayEnd, takeByte } from '../src/tensor/byte-table.ts';
import type { TablePlace } from '../src/tensor/byte-table.ts';
import { tokenBytesTrie, walkBelow } from '../src/text/grammars/token-bytes-trie.ts';
import type { TokenBytesTrie } from '../src/text/grammars/token-bytes-trie.ts';
import { deviceBytes } from '../src/text/grammars/token-spans.ts';
import type { Tokenizer } from '../src/text/tokenizer.ts';

export interface TableVocabulary {
  readonly trie: TokenBytesTrie;
  readonly endIds: ReadonlySet<number>;
  /** Tokens without text, which do not end answers: control tokens. */
  readonly control: readonly { readonly token: number; readonly bytes: Uint8Array }[];
}

export function tableVocabulary(tokenizer: Tokenizer): TableVocabulary {
  const { endIds, vocabSize } = tokenizer;
  const trie = tokenBytesTrie(tokenizer, vocabSize);
  const all = Array.from({ length: vocabSize }, (_, token) => token);
  const tokens = all.filter((token) => !endIds.has(token) && trie.bytesOf(token) === undefined);
  return { trie, endIds, control: tokens.map((token) => ({ token, bytes: deviceBytes(trie, token) as Uint8Array })) };
}

/** With which no text goes on: bytes that stand for control tokens begin with it. */
const NO_TEXT = 0xff;

/** As bits: bit i of word w is token 32 w + i. */
export function tableMask({ trie, endIds, control }: TableVocabulary, table: Uint32Array, place: TablePlace): Uint32Array {
  const mask = new Uint32Array((trie.vocabSize + 31) >> 5);
  const allow = (token: number) => void (mask[token >> 5] = ((mask[token >> 5] as number) | (1 << (token & 31))) >>> 0);
  if (mayEnd(table, place)) for (const token of endIds) allow(token);
  const path: TablePlace[] = [place];
  for (const { token, bytes } of control) {
    let after: TablePlace | undefined = place;
    for (const byte of bytes) after = after && takeByte(table, after, byte);
    if (after !== undefined) allow(token);
  }
  walkBelow(trie, -1, (node, depth) => {
    if (trie.bytes[node] === NO_TEXT) return false;
    const after = takeByte(table, path[depth - 1] as TablePlace, trie.bytes[node] as number);
    if (after === undefined) return false;
    path[depth] = after;
    for (let token = trie.tokens[node] as number; token >= 0; token = trie.nextAlike[token] as number) allow(token);
    return true;
  });
  return mask;
}

export function idsIn(mask: Uint32Array): number[] {
  const ids: number[] = [];
  for (const [word, bits] of mask.entries()) for (let bit = 0; bit < 32; bit++) if ((bits >>> bit) & 1) ids.push(32 * word + bit);
  return ids;
}
