/** The vocabulary of a GGUF file, checked: `tokenizer.ggml.*` of its metadata. */
import type { Checkpoint, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { detectEndTokens } from './end-token-names.ts';
import type { SpecialTokens } from './tokenizer.ts';

/** Kinds of token as bits, because a token whose name says that it ends a turn is a control token besides. */
export const TOKEN_KIND = { normal: 1, unknown: 2, control: 4, userDefined: 8, unused: 16, byte: 32 } as const;

/** `tokenizer.ggml.token_type` values, by number. */
const kindOfType: readonly number[] = [
  0,
  TOKEN_KIND.normal,
  TOKEN_KIND.unknown,
  TOKEN_KIND.control,
  TOKEN_KIND.userDefined,
  TOKEN_KIND.unused,
  TOKEN_KIND.byte,
];

export interface GgufVocabulary {
  /** `tokenizer.ggml.model`. */
  readonly model: string;
  /** `tokenizer.ggml.pre`, "default" where the file has none. */
  readonly pre: string;
  readonly tokens: readonly string[];
  readonly idOf: ReadonlyMap<string, number>;
  /** Masks of TOKEN_KIND. */
  readonly kinds: Uint8Array;
  readonly scores: ArrayLike<number> | undefined;
  readonly merges: readonly string[] | undefined;
  readonly special: SpecialTokens;
  readonly endIds: ReadonlySet<number>;
  /** What the file says of BOS, EOS and the space before a text; undefined where it does not. */
  readonly addBos: boolean | undefined;
  readonly addEos: boolean | undefined;
  readonly addSpacePrefix: boolean | undefined;
  /**
   * Before which parts of a text that do not begin with a space one is put, as `Metaspace` of tokenizer.json says it: the first part alone,
   * or each behind an added token. A key of Ingot's own; undefined where `addSpacePrefix` says all.
   */
  readonly spaceBefore: SpaceBefore | undefined;
}

export type SpaceBefore = 'first' | 'always';

const prefix = 'tokenizer.ggml.';
const maxTokens = 4_000_000;
const maxMerges = 16_000_000;

/** True where a checkpoint's metadata holds a vocabulary. */
export function hasGgufVocabulary(checkpoint: Checkpoint): boolean {
  return checkpoint.metadata.has(`${prefix}tokens`);
}

/** @throws FormatError that names the file, the key and what is wrong with it */
export function readGgufVocabulary(checkpoint: Checkpoint): GgufVocabulary {
  const field = fieldReader(checkpoint);
  const model = field.text('model') ?? fail(checkpoint, 'model', 'is missing; it names the kind of vocabulary');
  const pre = field.text('pre') ?? 'default';
  const tokens = readTokens(checkpoint, field);
  const idOf = indexTokens(checkpoint, tokens);
  const kinds = readKinds(field.numbers('token_type', tokens.length), tokens.length);
  const declared = readSpecial(field, tokens.length, model);
  const found = detectEndTokens(idOf, {
    declared,
    fimPad: field.id('fim_pad_token_id', tokens.length),
    fimRepo: field.id('fim_rep_token_id', tokens.length),
    fimSeparator: field.id('fim_sep_token_id', tokens.length),
  });
  for (const id of found.controlIds) kinds[id]! |= TOKEN_KIND.control;
  for (const id of found.userDefinedIds) kinds[id] = TOKEN_KIND.userDefined;
  for (const id of found.normalIds) kinds[id] = TOKEN_KIND.normal;
  for (const id of listedEndIds(checkpoint)) if (id < tokens.length) found.endIds.add(id);
  return {
    model,
    pre,
    tokens,
    idOf,
    kinds,
    scores: field.numbers('scores', tokens.length),
    merges: field.texts('merges', maxMerges),
    special: { ...declared, eot: found.eot, eom: found.eom },
    endIds: found.endIds,
    addBos: field.flag('add_bos_token'),
    addEos: field.flag('add_eos_token'),
    addSpacePrefix: field.flag('add_space_prefix'),
    spaceBefore: readSpaceBefore(checkpoint),
  };
}

function readSpaceBefore({ metadata, name }: Checkpoint): SpaceBefore | undefined {
  const value = metadata.get('ingot.space_before');
  if (value === undefined || value === 'first' || value === 'always') return value;
  throw new FormatError(`${name}: ingot.space_before must be "first" or "always", but is ${describe(value)}.`);
}

/** The whole list of end tokens that a converted model came with; a key of Ingot's own. */
export function listedEndIds(checkpoint: Checkpoint): number[] {
  const value = checkpoint.metadata.get('ingot.eos_token_ids');
  const ids = value === undefined ? [] : Array.from(asNumbers(value) ?? []);
  return ids.filter((id) => Number.isInteger(id) && id >= 0);
}

type FieldReader = ReturnType<typeof fieldReader>;

function fieldReader(checkpoint: Checkpoint) {
  const get = (key: string): MetadataValue | undefined => checkpoint.metadata.get(prefix + key);
  const expected = (key: string, what: string, value: MetadataValue): never =>
    fail(checkpoint, key, `should be ${what}, but is ${describe(value)}`);
  return {
    text(key: string): string | undefined {
      const value = get(key);
      return value === undefined || typeof value === 'string' ? value : expected(key, 'a string', value);
    },
    flag(key: string): boolean | undefined {
      const value = get(key);
      return value === undefined || typeof value === 'boolean' ? value : expected(key, 'true or false', value);
    },
    texts(key: string, maxCount: number): readonly string[] | undefined {
      const value = get(key);
      if (value === undefined) return undefined;
      const isTexts = Array.isArray(value) && (value.length === 0 || typeof value[0] === 'string');
      if (!isTexts) return expected(key, 'an array of strings', value);
      if (value.length > maxCount) return expected(key, `at most ${maxCount} strings`, value);
      return value as readonly string[];
    },
    numbers(key: string, count: number): ArrayLike<number> | undefined {
      const value = get(key);
      if (value === undefined) return undefined;
      const numbers = asNumbers(value) ?? expected(key, 'an array of numbers', value);
      if (numbers.length < count) {
        return expected(key, `${count} numbers, one for each token`, value);
      }
      for (let index = 0; index < count; index++) {
        if (Number.isNaN(numbers[index]!)) return fail(checkpoint, key, `holds NaN at ${index}`);
      }
      return numbers;
    },
    /** A token id; one that is outside the vocabulary counts as absent, as in llama.cpp. */
    id(key: string, vocabSize: number): number | undefined {
      const value = get(key);
      if (value === undefined) return undefined;
      if (typeof value !== 'number' || !Number.isInteger(value)) {
        return typeof value === 'bigint' ? undefined : expected(key, 'a token id', value);
      }
      return value >= 0 && value < vocabSize ? value : undefined;
    },
  };
}

function fail(checkpoint: Checkpoint, key: string, what: string): never {
  throw new FormatError(`${checkpoint.name}: ${prefix}${key} ${what}. The file is damaged or not a language model.`);
}

function describe(value: MetadataValue): string {
  if (typeof value === 'string') return `the string ${JSON.stringify(value.slice(0, 60))}`;
  if (typeof value === 'object') return `an array of ${value.length}`;
  return `${typeof value} ${String(value)}`;
}

function asNumbers(value: MetadataValue): ArrayLike<number> | undefined {
  if (typeof value !== 'object') return undefined;
  if (ArrayBuffer.isView(value)) return value as unknown as ArrayLike<number>;
  return Array.isArray(value) && value.every((item) => typeof item === 'number') ? (value as number[]) : undefined;
}

function readTokens(checkpoint: Checkpoint, field: FieldReader): readonly string[] {
  const tokens = field.texts('tokens', maxTokens) ?? fail(checkpoint, 'tokens', 'is missing');
  if (tokens.length === 0) return fail(checkpoint, 'tokens', 'is empty');
  return tokens.includes('') ? tokens.map((token, id) => (token === '' ? `[EMPTY_${id}]` : token)) : tokens;
}

function indexTokens(checkpoint: Checkpoint, tokens: readonly string[]): Map<string, number> {
  const idOf = new Map<string, number>();
  for (let id = 0; id < tokens.length; id++) idOf.set(tokens[id]!, id);
  if (idOf.size === tokens.length) return idOf;
  const second = tokens.findIndex((token, id) => idOf.get(token) !== id);
  const token = tokens[second]!;
  const cause = token.includes('\ufffd') ? ' (bytes that are not UTF-8 read as U+FFFD)' : '';
  return fail(
    checkpoint,
    'tokens',
    `holds ${JSON.stringify(token.slice(0, 60))} at ${second} and again at ${idOf.get(token)}${cause}; tokens must differ`,
  );
}

function readKinds(types: ArrayLike<number> | undefined, count: number): Uint8Array {
  const kinds = new Uint8Array(count).fill(TOKEN_KIND.normal);
  if (types === undefined) return kinds;
  for (let id = 0; id < count; id++) kinds[id] = kindOfType[types[id]!] ?? 0;
  return kinds;
}

/** Ids that SentencePiece vocabularies have where the file does not say. */
const sentencePieceDefaults = { bos: 1, eos: 2, unk: 0 } as const;

function readSpecial(field: FieldReader, vocabSize: number, model: string): SpecialTokens {
  const defaults: { bos?: number; eos?: number; unk?: number } = model === 'llama' ? sentencePieceDefaults : {};
  const orDefault = (key: string, fallback: number | undefined): number | undefined =>
    field.id(key, vocabSize) ?? (fallback !== undefined && fallback < vocabSize ? fallback : undefined);
  return {
    bos: orDefault('bos_token_id', defaults.bos),
    eos: orDefault('eos_token_id', defaults.eos),
    eot: field.id('eot_token_id', vocabSize),
    eom: field.id('eom_token_id', vocabSize),
    pad: field.id('padding_token_id', vocabSize),
    unk: orDefault('unknown_token_id', defaults.unk),
  };
}
