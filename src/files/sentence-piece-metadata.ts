/**
 * SentencePiece's BPE, which tokenizer.json has as merges over characters with bytes as a fallback, as GGUF has it: tokens with scores
 * (`tokenizer.ggml.model` is `llama`), of which the best that two neighbours make is made first. A token's score is the place of its
 * merges, which follow one another in files that were made of SentencePiece's own (transformers' `SentencePieceExtractor`).
 */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { bool, float32s, int32s, string, strings } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { isJsonObject } from '../tensor/json.ts';
import { LEAVE_OUT, TOKEN_TYPES, tokenTable } from './token-table.ts';
import type { TokenizerFile, TokenTable } from './token-table.ts';

const SPACE = '\u2581';
const BYTE = /^<0x[0-9A-F]{2}>$/;

/**
 * @param merges as "a b"
 * @throws FormatError for spaces that GGUF cannot say, and for merges that no scores are equal to
 */
export function sentencePieceMetadata(file: TokenizerFile, merges: readonly string[]): GgufMetadata {
  const { model, where } = file;
  const refuse = (what: string): never => {
    throw new FormatError(`${where}: GGUF has no way to say ${what}. ${LEAVE_OUT}`);
  };
  if (model['ignore_merges'] === true) refuse('that whole words need no merges (ignore_merges)');
  const table = tokenTable(file);
  const { tokens, types, idOf } = table;
  tokens.forEach((token, id) => {
    if (BYTE.test(token)) types[id] = TOKEN_TYPES.byte;
  });
  const unknown = idOf.get(String(model['unk_token']));
  if (unknown !== undefined) types[unknown] = TOKEN_TYPES.unknown;
  if (types.filter((type) => type === TOKEN_TYPES.byte).length !== 256) refuse('a vocabulary without a token for each byte');
  const { hasPrefix, before } = spacesOf(file, refuse);
  return new Map([
    ['tokenizer.ggml.model', string('llama')],
    ['tokenizer.ggml.pre', string('default')],
    ['tokenizer.ggml.tokens', strings(tokens)],
    ['tokenizer.ggml.scores', float32s(scoresOf(table, merges, refuse))],
    ['tokenizer.ggml.token_type', int32s(types)],
    ['tokenizer.ggml.add_space_prefix', bool(hasPrefix)],
    ...(before === undefined ? [] : [['ingot.space_before', string(before)] as const]),
  ]);
}

function scoresOf({ tokens, types, idOf }: TokenTable, merges: readonly string[], refuse: (what: string) => never): Float32Array {
  const scores = new Float32Array(tokens.length);
  const isNormal = (id: number) => types[id] === TOKEN_TYPES.normal;
  const places = new Map<number, number>();
  let last = -1;
  for (const merge of merges) {
    const text = merge.replace(' ', '');
    const id = idOf.get(text);
    // Made of a text whose added tokens were taken out before, they are no part of it.
    if (id === undefined || !isNormal(id)) continue;
    if (id !== last && places.has(id)) refuse(`that merges of ${JSON.stringify(text)} come before and behind those of other tokens`);
    if (id !== last) places.set(id, places.size);
    last = id;
  }
  tokens.forEach((token, id) => {
    const place = places.get(id);
    const isChar = [...token].length === 1;
    if (place === undefined && isNormal(id) && !isChar) refuse(`that no merges make the token ${JSON.stringify(token)}`);
    // Bytes and what is added have no place among them.
    scores[id] = isNormal(id) ? -(place ?? places.size) : 0;
  });
  return scores;
}

interface Spaces {
  /** Whether a space is put before a text, and before what follows an added token. */
  readonly hasPrefix: boolean;
  /** Where one is put only if there is none yet, which readers of GGUF but Ingot cannot be told. */
  readonly before?: string;
}

function spacesOf({ tokenizer }: TokenizerFile, refuse: (what: string) => never): Spaces {
  const [normalizer, split] = [tokenizer['normalizer'] ?? null, tokenizer['pre_tokenizer'] ?? null];
  const steps = stepsOf(normalizer);
  const isSpaces = steps.at(-1) === REPLACES;
  // Spaces are gone by then, so that Gemma's split at them splits nothing.
  const splitsNothing = split === null || (isSpaces && JSON.stringify(patternOf(split)) === '{"String":" "}');
  if (isSpaces && splitsNothing && steps.length === 1) return { hasPrefix: false };
  if (isSpaces && splitsNothing && steps.length === 2 && steps[0] === PREPENDS) return { hasPrefix: true };
  const scheme = metaspaceScheme(tokenizer);
  if (steps.length === 0 && scheme === 'never') return { hasPrefix: false };
  if (steps.length === 0 && scheme !== undefined) return { hasPrefix: true, before: scheme };
  return refuse(`the spaces of this tokenizer: normalizer ${shown(normalizer)}, pre_tokenizer ${shown(split)}`);
}

/** `prepend_scheme` of a pre-tokenizer that marks spaces and splits nothing. */
export function metaspaceScheme(tokenizer: JsonObject): 'first' | 'always' | 'never' | undefined {
  const split = tokenizer['pre_tokenizer'] ?? null;
  if (!isJsonObject(split) || split['type'] !== 'Metaspace' || split['replacement'] !== SPACE || split['split'] !== false) return undefined;
  return (['first', 'always', 'never'] as const).find((each) => each === split['prepend_scheme']);
}

const PREPENDS = 'prepends';
const REPLACES = 'replaces';

function stepsOf(normalizer: JsonValue): readonly string[] {
  if (!isJsonObject(normalizer)) return normalizer === null ? [] : ['?'];
  const { type, normalizers, prepend, pattern, content } = normalizer;
  if (type === 'Sequence' && Array.isArray(normalizers)) return (normalizers as readonly JsonValue[]).flatMap(stepsOf);
  if (type === 'Prepend' && prepend === SPACE) return [PREPENDS];
  return [type === 'Replace' && JSON.stringify(pattern) === '{"String":" "}' && content === SPACE ? REPLACES : '?'];
}

function patternOf(split: JsonValue): JsonValue {
  return (isJsonObject(split) && split['type'] === 'Split' ? split['pattern'] : undefined) ?? null;
}

function shown(value: JsonValue): string {
  return JSON.stringify(value).slice(0, 160);
}
