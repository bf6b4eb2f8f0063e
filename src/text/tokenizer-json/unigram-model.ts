/** The Unigram model of a tokenizer.json: the tokens of the best total score, found from left to right. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { describeJson } from '../../tensor/json.ts';
import type { JsonFields } from '../../tensor/json-fields.ts';
import { withWordCache } from '../word-cache.ts';
import { createPrefixTree } from './prefix-tree.ts';
import type { PrefixTree } from './prefix-tree.ts';
import { byteTokenIds, noUnknownToken } from './model-vocabulary.ts';
import type { TokenModel } from './model-vocabulary.ts';

interface Unigram {
  readonly tree: PrefixTree;
  readonly scores: Float64Array;
  readonly unknownScore: number;
  readonly unknownId: number | undefined;
}

/** An unknown character costs this more than the worst token. */
const unknownPenalty = 10;

export function readUnigramModel(fields: JsonFields): TokenModel {
  const { texts, scores } = readScores(fields);
  const idOf = new Map(texts.map((text, id) => [text, id]));
  const unknown = fields.value('unk_id') === undefined ? undefined : fields.count('unk_id');
  if (unknown !== undefined && unknown >= texts.length) fields.fail('unk_id', `an id below ${texts.length}`);
  const byteIds = fields.flag('byte_fallback', false) ? byteTokenIds(idOf) : undefined;
  let worst = Infinity;
  for (const score of scores) worst = Math.min(worst, score);
  const model: Unigram = { tree: createPrefixTree(texts, fields), scores, unknownScore: worst - unknownPenalty, unknownId: unknown };
  const utf8 = new TextEncoder();
  const idsOf = (part: string): readonly number[] => {
    const id = idOf.get(part);
    if (id !== undefined) return [id];
    const bytes = byteIds === undefined ? [-1] : Array.from(utf8.encode(part), (byte) => byteIds[byte]!);
    return bytes.includes(-1) ? [unknown!] : bytes;
  };
  const encode = withWordCache((text) => bestParts(model, text).flatMap(idsOf));
  return { type: 'Unigram', vocabulary: { idOf, texts, size: texts.length }, unknownId: unknown, encode };
}

function readScores(fields: JsonFields): { texts: string[]; scores: Float64Array } {
  const entries = fields.list('vocab');
  const scores = new Float64Array(entries.length);
  const texts = entries.map((entry, id) => {
    const [text, score] = Array.isArray(entry) ? (entry as readonly JsonValue[]) : [];
    if (typeof text !== 'string' || typeof score !== 'number') {
      throw new FormatError(`${fields.where}.vocab[${id}]: expected a token and a score, found ${describeJson(entry)}.`);
    }
    scores[id] = score;
    return text;
  });
  return { texts, scores };
}

/** Cuts a text into tokens and unknown stretches; neighbouring unknown characters are one stretch. */
function bestParts({ tree, scores, unknownScore, unknownId }: Unigram, text: string): string[] {
  const length = text.length;
  const bestScores = new Float64Array(length + 1);
  const startOf = new Int32Array(length + 1).fill(-1);
  const idAt = new Int32Array(length + 1);
  const offer = (end: number, start: number, { id, score }: { id: number; score: number }): void => {
    if (startOf[end]! >= 0 && score <= bestScores[end]!) return;
    bestScores[end] = score;
    startOf[end] = start;
    idAt[end] = id;
  };
  for (let start = 0; start < length; ) {
    const charEnd = start + (text.codePointAt(start)! > 0xffff ? 2 : 1);
    let hasChar = false;
    for (let end = start, node = 0; end < length; ) {
      node = tree.step(node, text.charCodeAt(end++));
      if (node < 0) break;
      const id = tree.tokenAt(node);
      if (id < 0) continue;
      offer(end, start, { id, score: scores[id]! + bestScores[start]! });
      if (end === charEnd) hasChar = true;
    }
    if (!hasChar) {
      if (unknownId === undefined) noUnknownToken(text.slice(start, charEnd), undefined);
      offer(charEnd, start, { id: unknownId, score: unknownScore + bestScores[start]! });
    }
    start = charEnd;
  }
  return partsOf(text, startOf, (end) => idAt[end] === unknownId);
}

function partsOf(text: string, startOf: Int32Array, isUnknown: (end: number) => boolean): string[] {
  const parts: string[] = [];
  for (let end = text.length; end > 0; ) {
    let start = startOf[end]!;
    if (isUnknown(end)) while (start > 0 && isUnknown(start)) start = startOf[start]!;
    parts.push(text.slice(start, end));
    end = start;
  }
  return parts.toReversed();
}
