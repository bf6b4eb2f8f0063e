/** SentencePiece as GGUF `llama` vocabularies have it: neighbours merge into the best-scored token first. */
import { createMinHeap } from './min-heap.ts';

export interface SentencePieceVocabulary {
  readonly idOf: ReadonlyMap<string, number>;
  /** Score of each token; a higher one merges earlier. */
  readonly scores: ArrayLike<number>;
  /** Tokens <0x00> to <0xFF>, -1 where the vocabulary has none. */
  readonly byteIds: Int32Array;
  readonly unknownId: number | undefined;
  /** Tokens that no text merges into, whatever it spells. */
  isControl(id: number): boolean;
}

const positionRange = 2 ** 32;
const gone = -2;
const none = -1;

/** @returns a function from text, spaces already written as U+2581, to token ids */
export function createSentencePieceEncoder(vocabulary: SentencePieceVocabulary): (text: string) => number[] {
  const lookUp = (text: string): number => {
    const id = vocabulary.idOf.get(text);
    return id === undefined || vocabulary.isControl(id) ? none : id;
  };
  const order = orderByScore(vocabulary.scores);
  let longest = 0;
  for (const token of vocabulary.idOf.keys()) longest = Math.max(longest, token.length);
  const utf8 = new TextEncoder();

  return (text) => {
    const starts = charStarts(text);
    const count = starts.length - 1;
    const ends = starts.slice(1);
    const ids = Int32Array.from({ length: count }, (_, at) => lookUp(text.slice(starts[at], ends[at])));
    const next = Int32Array.from({ length: count }, (_, at) => at + 1);
    const previous = Int32Array.from({ length: count }, (_, at) => at - 1);
    /** The token that each symbol makes with the one after it. */
    const pairIds = new Int32Array(count).fill(none);
    const heap = createMinHeap();
    const offer = (at: number): void => {
      const right = next[at]!;
      const length = right < count ? ends[right]! - starts[at]! : Infinity;
      const id = length > longest ? none : lookUp(text.slice(starts[at], ends[right]));
      pairIds[at] = id;
      if (id !== none) heap.push(order[id]! * positionRange + at);
    };
    for (let at = 0; at < count; at++) offer(at);
    for (let key = heap.pop(); key !== undefined; key = heap.pop()) {
      const at = key % positionRange;
      const id = pairIds[at]!;
      // Stale: the symbol was merged away, or its pair has become another.
      if (ids[at] === gone || id === none || order[id]! !== (key - at) / positionRange) continue;
      const right = next[at]!;
      ids[at] = id;
      ids[right] = gone;
      ends[at] = ends[right]!;
      next[at] = next[right]!;
      if (next[at]! < count) previous[next[at]!] = at;
      if (previous[at]! >= 0) offer(previous[at]!);
      offer(at);
    }
    const output: number[] = [];
    for (let at = 0; at < count; at = next[at]!) {
      if (ids[at]! >= 0) output.push(ids[at]!);
      else pushBytes(utf8.encode(text.slice(starts[at], ends[at])), vocabulary, output);
    }
    return output;
  };
}

/** UTF-16 offsets at which characters start, and the length of the text. */
function charStarts(text: string): Int32Array {
  const starts = new Int32Array(text.length + 1);
  let count = 0;
  for (let at = 0; at < text.length; at += text.codePointAt(at)! > 0xffff ? 2 : 1) starts[count++] = at;
  starts[count++] = text.length;
  return starts.slice(0, count);
}

function pushBytes(bytes: Uint8Array, vocabulary: SentencePieceVocabulary, output: number[]): void {
  for (const byte of bytes) {
    const id = vocabulary.byteIds[byte]!;
    if (id >= 0) output.push(id);
    else if (vocabulary.unknownId !== undefined) output.push(vocabulary.unknownId);
  }
}

/** For each token its place when sorted by score, the best first; equal scores share a place. */
function orderByScore(scores: ArrayLike<number>): Int32Array {
  const sorted = Float64Array.from(scores, (score) => -score).sort();
  const placeOf = new Map<number, number>();
  for (const score of sorted) if (!placeOf.has(score)) placeOf.set(score, placeOf.size);
  return Int32Array.from(scores, (score) => placeOf.get(-score)!);
}
