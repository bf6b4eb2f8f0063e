/** The BPE model of a tokenizer.json with all its options. Merging is that of byte-pair-merge.ts. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import type { JsonFields } from '../../tensor/json-fields.ts';
import { mergeSymbols } from '../byte-pair-merge.ts';
import { createPairTable } from '../merge-table.ts';
import type { MergeTable } from '../merge-table.ts';
import { withWordCache } from '../word-cache.ts';
import { byteTokenIds, noUnknownToken, readVocabulary } from './model-vocabulary.ts';
import type { TokenModel } from './model-vocabulary.ts';

interface BytePairOptions {
  readonly idOf: ReadonlyMap<string, number>;
  readonly unknown: string | undefined;
  /** Stands before every character of a word but the first. */
  readonly prefix: string;
  /** Stands behind the last character of a word. */
  readonly suffix: string;
  readonly fuseUnknown: boolean;
  readonly byteFallback: boolean;
}

export function readBytePairModel(fields: JsonFields): TokenModel {
  const vocabulary = readVocabulary(fields);
  const options: BytePairOptions = {
    idOf: vocabulary.idOf,
    unknown: fields.optionalText('unk_token'),
    prefix: fields.optionalText('continuing_subword_prefix') ?? '',
    suffix: fields.optionalText('end_of_word_suffix') ?? '',
    fuseUnknown: fields.flag('fuse_unk', false),
    byteFallback: fields.flag('byte_fallback', false),
  };
  const dropout = fields.value('dropout');
  if (dropout !== undefined && dropout !== 0) {
    fields.fail('dropout', 'null or 0 (dropout gives other tokens each time and belongs to training)');
  }
  const ignoreMerges = fields.flag('ignore_merges', false);
  const merges = readMerges(fields, options);
  const symbolsOf = createSymbolReader(options);
  const encodeWord = withWordCache((text) => {
    const whole = ignoreMerges ? options.idOf.get(text) : undefined;
    return whole === undefined ? mergeSymbols(symbolsOf(text), merges) : [whole];
  });
  const unknownId = options.unknown === undefined ? undefined : options.idOf.get(options.unknown);
  return { type: 'BPE', vocabulary, unknownId, encode: encodeWord };
}

const maxMerges = 16_000_000;

function readMerges(fields: JsonFields, { idOf, prefix }: BytePairOptions): MergeTable {
  const all = fields.list('merges');
  if (all.length > maxMerges) fields.fail('merges', `at most ${maxMerges} merges`);
  const merges = typeof all[0] === 'string' ? all.filter((merge) => typeof merge !== 'string' || !merge.startsWith('#version')) : all;
  const count = merges.length;
  const triples = { lefts: new Int32Array(count), rights: new Int32Array(count), results: new Int32Array(count) };
  merges.forEach((merge, rank) => {
    const [left, right] = pairOf(merge);
    const leftId = idOf.get(left);
    const rightId = idOf.get(right);
    const resultId = prefix === '' || right.startsWith(prefix) ? idOf.get(left + right.slice(prefix.length)) : undefined;
    if (leftId === undefined || rightId === undefined || resultId === undefined) throw badMerge(fields, merge, rank);
    triples.lefts[rank] = leftId;
    triples.rights[rank] = rightId;
    triples.results[rank] = resultId;
  });
  return createPairTable(triples, 'last');
}

const noPair = ['', ''] as const;

/** "a b", or ["a", "b"] since 0.20. */
function pairOf(merge: JsonValue): readonly [string, string] {
  if (typeof merge === 'string') {
    const space = merge.indexOf(' ');
    return space < 0 || merge.includes(' ', space + 1) ? noPair : [merge.slice(0, space), merge.slice(space + 1)];
  }
  if (!Array.isArray(merge) || merge.length !== 2) return noPair;
  const [left, right] = merge as readonly JsonValue[];
  return typeof left === 'string' && typeof right === 'string' ? [left, right] : noPair;
}

function badMerge(fields: JsonFields, merge: JsonValue, rank: number): FormatError {
  const shown = JSON.stringify(merge).slice(0, 100);
  return new FormatError(`${fields.where}.merges[${rank}] is ${shown}; expected two tokens of the vocabulary that make a third.`);
}

/** A word as ids of its characters, of the bytes of unknown ones, or of the unknown token; what has none of these is left out. */
function createSymbolReader(options: BytePairOptions): (word: string) => number[] {
  const { idOf, unknown, prefix, suffix, fuseUnknown, byteFallback } = options;
  const utf8 = new TextEncoder();
  const byteIds = byteTokenIds(idOf);
  const unknownId = unknown === undefined ? undefined : idOf.get(unknown);
  return (word) => {
    const symbols: number[] = [];
    let pending = false;
    for (let at = 0; at < word.length; ) {
      const end = at + (word.codePointAt(at)! > 0xffff ? 2 : 1);
      const char = (at > 0 ? prefix : '') + word.slice(at, end) + (end === word.length ? suffix : '');
      at = end;
      const id = idOf.get(char);
      if (id !== undefined) {
        if (pending) symbols.push(unknownId!);
        pending = false;
        symbols.push(id);
        continue;
      }
      const bytes = byteFallback ? Array.from(utf8.encode(char), (byte) => byteIds[byte]!) : [-1];
      if (!bytes.includes(-1)) {
        // An unknown character before these bytes is written after them, as tokenizers does.
        symbols.push(...bytes);
      } else if (unknown !== undefined) {
        if (unknownId === undefined) noUnknownToken(char, unknown);
        if (pending && !fuseUnknown) symbols.push(unknownId);
        pending = true;
      }
    }
    if (pending) symbols.push(unknownId!);
    return symbols;
  };
}
