/** The bytes of a vocabulary's tokens, as devices read them. */
import { END_SPAN, SPAN_LENGTH_BITS } from '../../tensor/byte-table.ts';
import type { TokenSpans } from '../../tensor/byte-table.ts';
import type { TokenBytesTrie } from './token-bytes-trie.ts';

/** No text has this byte: with it begin the bytes that stand in tables for a token without text, a control token, by its number. */
const MARK = 0xff;

export const tokenMark = (token: number): Uint8Array => Uint8Array.of(MARK, token >> 16, (token >> 8) & 0xff, token & 0xff);

/** The bytes that a token is in tables: its text's, or those that stand for it. Undefined where it can never follow. */
export function deviceBytes({ bytesOf, vocabSize }: Pick<TokenBytesTrie, 'bytesOf' | 'vocabSize'>, token: number): Uint8Array | undefined {
  const bytes = bytesOf(token);
  if (bytes === undefined) return token < vocabSize ? tokenMark(token) : undefined;
  return bytes.includes(MARK) ? undefined : bytes;
}

/** Undefined where a token is longer than a span can say, or all of them together. */
export function tokenSpans(trie: TokenBytesTrie, endIds: ReadonlySet<number>): TokenSpans | undefined {
  const { vocabSize } = trie;
  const all = Array.from({ length: vocabSize }, (_, token) => (endIds.has(token) ? undefined : deviceBytes(trie, token)));
  const wordsOf = (bytes: Uint8Array | undefined) => Math.ceil((bytes?.length ?? 0) / 4);
  const count = all.reduce((sum, bytes) => sum + wordsOf(bytes), 0);
  if (count >= 2 ** (32 - SPAN_LENGTH_BITS) || all.some((bytes) => (bytes?.length ?? 0) >= 1 << SPAN_LENGTH_BITS)) return undefined;
  const words = new Uint32Array(vocabSize + count);
  const joined = new Uint8Array(words.buffer);
  let at = 0;
  for (const [token, bytes] of all.entries()) {
    if (endIds.has(token)) words[token] = END_SPAN;
    if (bytes === undefined || bytes.length === 0) continue;
    words[token] = ((at << SPAN_LENGTH_BITS) | bytes.length) >>> 0;
    joined.set(bytes, (vocabSize + at) * 4);
    at += wordsOf(bytes);
  }
  return { vocabSize, words };
}
