/** The tokenizer of a Hugging Face folder as GGUF's `tokenizer.*` keys, for byte-level BPE. */
import type { AssetName, JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { bool, int32s, string, strings, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { addedAround, readPostProcessor } from '../tensor/post-processor.ts';
import { chatTemplateMetadata } from './chat-template-metadata.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { preTokenizerKind } from './pre-tokenizer-kind.ts';
import { specialIds } from './special-ids.ts';

/** llama.h `enum llama_token_type`. */
export const TOKEN_TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface VocabularySource {
  readonly assets: ReadonlyMap<AssetName, string>;
  readonly config: JsonObject | undefined;
  /** Rows of the embedding: ids without a token are written as unused ones. */
  readonly vocabSize: number;
  /** For messages. */
  readonly name: string;
}

/**
 * The keys of a folder's vocabulary; only the ids of its special tokens where it has no tokenizer.json.
 * @throws FormatError for a tokenizer that is not byte-level BPE, is split in a way that GGUF has no name for, or has more
 * tokens than the model has rows.
 */
export function vocabularyMetadata(source: VocabularySource): GgufMetadata {
  const text = source.assets.get('tokenizer.json');
  if (text === undefined && source.assets.has('vocab.txt')) {
    throw new FormatError(
      `${source.name}: vocab.txt holds WordPiece, and only byte-level BPE can be converted. ` +
        'Convert with `--vocabulary none` or `made`, which leave the tokenizer out.',
    );
  }
  if (text === undefined) return specialIdMetadata(source, {}, new Map());
  const where = `${source.name}: tokenizer.json`;
  const tokenizer = parseJsonObject(text, where);
  const settings = parseAsset(source, 'tokenizer_config.json');
  const model = objectAt(tokenizer, 'model', where);
  const { tokens, types, idOf } = tokenTable(tokenizer, model, source, where);
  const metadata: GgufMetadata = new Map([
    ['tokenizer.ggml.model', string('gpt2')],
    ['tokenizer.ggml.pre', string(preOf(tokenizer, where))],
    ['tokenizer.ggml.tokens', strings(tokens)],
    ['tokenizer.ggml.token_type', int32s(types)],
    ['tokenizer.ggml.merges', strings(mergesOf(model, where))],
  ]);
  for (const [key, value] of specialIdMetadata(source, settings, idOf)) metadata.set(key, value);
  for (const [key, value] of aroundMetadata(tokenizer, { settings, metadata, where })) metadata.set(key, value);
  for (const [key, value] of chatTemplateMetadata(source.assets, settings)) metadata.set(key, value);
  return metadata;
}

/** All end tokens are kept under a key of our own, because GGUF has a name for three of them only. */
function specialIdMetadata(source: VocabularySource, settings: JsonObject, idOf: ReadonlyMap<string, number>): GgufMetadata {
  const generation = parseAsset(source, 'generation_config.json');
  const { named, endIds } = specialIds({ settings, config: source.config ?? {}, generation, idOf, vocabSize: source.vocabSize });
  const metadata: GgufMetadata = new Map();
  for (const [key, id] of named) metadata.set(`tokenizer.ggml.${key}`, uint32(id));
  if (endIds.length > 1) metadata.set('ingot.eos_token_ids', int32s(endIds));
  return metadata;
}

function parseAsset(source: VocabularySource, name: AssetName): JsonObject {
  const text = source.assets.get(name);
  return text === undefined ? {} : parseJsonObject(text, `${source.name}: ${name}`);
}

function objectAt(object: JsonObject, key: string, where: string): JsonObject {
  const value = object[key];
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new FormatError(
    `${where} must hold an object ${JSON.stringify(key)}, found ${value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 60)}.`,
  );
}

function preOf(tokenizer: JsonObject, where: string): string {
  const advice = 'Convert with `--vocabulary none` or `made`, which leave the tokenizer out.';
  const pre = tokenizer['pre_tokenizer'];
  if (typeof pre !== 'object' || pre === null || Array.isArray(pre)) {
    throw new FormatError(`${where}: only byte-level BPE can be converted, and this tokenizer has no pre_tokenizer. ${advice}`);
  }
  const kind = preTokenizerKind(pre as JsonObject);
  if (kind !== undefined) return kind;
  throw new FormatError(
    `${where}: GGUF has no name known here for how this tokenizer splits text: ${JSON.stringify(pre).slice(0, 400)}. ${advice}`,
  );
}

interface AddedToken {
  readonly id: number;
  readonly text: string;
  readonly special: boolean;
}

function tokenTable(tokenizer: JsonObject, model: JsonObject, source: VocabularySource, where: string) {
  if (model['type'] !== 'BPE') throw new FormatError(`${where}: only BPE can be converted, found ${JSON.stringify(model['type'])}.`);
  const { vocabSize } = source;
  const tokens: string[] = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`);
  const types = new Int32Array(vocabSize).fill(TOKEN_TYPES.unused);
  const idOf = new Map<string, number>();
  const put = (id: JsonValue | undefined, text: string, type: number) => {
    if (!Number.isInteger(id) || (id as number) < 0) {
      throw new FormatError(`${where}: token ${JSON.stringify(text)} has the id ${JSON.stringify(id)}.`);
    }
    if ((id as number) >= vocabSize) {
      throw new FormatError(
        `${where}: token ${JSON.stringify(text)} has the id ${id as number}, but the model has ${vocabSize} rows. ` +
          'They do not belong together.',
      );
    }
    tokens[id as number] = text;
    types[id as number] = type;
    idOf.set(text, id as number);
  };
  for (const [text, id] of Object.entries(objectAt(model, 'vocab', where))) put(id, text, TOKEN_TYPES.normal);
  for (const { id, text, special } of addedTokens(tokenizer, where)) put(id, text, special ? TOKEN_TYPES.control : TOKEN_TYPES.userDefined);
  return { tokens, types, idOf };
}

function addedTokens(tokenizer: JsonObject, where: string): AddedToken[] {
  const added = tokenizer['added_tokens'] ?? [];
  if (!Array.isArray(added)) throw new FormatError(`${where}: added_tokens must be an array.`);
  return (added as JsonValue[]).map((entry) => {
    const { id, content, special } = (entry ?? {}) as { id?: number; content?: JsonValue; special?: JsonValue };
    if (typeof id !== 'number' || typeof content !== 'string') {
      throw new FormatError(`${where}: an added token must have an id and content, found ${JSON.stringify(entry).slice(0, 120)}.`);
    }
    return { id, text: content, special: special === true };
  });
}

/** Merges as "a b": tokenizer.json has them so or, since 2024, as pairs. */
function mergesOf(model: JsonObject, where: string): string[] {
  const merges = model['merges'];
  if (!Array.isArray(merges)) throw new FormatError(`${where}: model.merges must be an array.`);
  return (merges as JsonValue[]).map((merge) => {
    if (typeof merge === 'string') return merge;
    if (Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === 'string')) return merge.join(' ');
    throw new FormatError(`${where}: a merge must be "a b" or ["a", "b"], found ${JSON.stringify(merge).slice(0, 120)}.`);
  });
}

interface AroundContext {
  readonly settings: JsonObject;
  /** With the ids of the special tokens. */
  readonly metadata: GgufMetadata;
  readonly where: string;
}

/** BOS before and EOS after a text as the folder's tokenizer puts them. @throws FormatError for other tokens, which GGUF cannot say */
function aroundMetadata(tokenizer: JsonObject, { settings, metadata, where }: AroundContext): GgufMetadata {
  const surroundings = readPostProcessor(tokenizer['post_processor'], `${where}: post_processor`);
  const idAt = (key: string): number | undefined => {
    const id = metadata.get(`tokenizer.ggml.${key}`)?.value;
    return typeof id === 'number' ? id : undefined;
  };
  const bos = idAt('bos_token_id') ?? surroundings.before[0];
  const eos = idAt('eos_token_id');
  const { before, after } = addedAround(surroundings, { bos, eos, settings });
  if (before.some((id) => id !== bos) || before.length > 1 || after.some((id) => id !== eos) || after.length > 1) {
    throw new FormatError(
      `${where}: the ids ${before.join(', ') || 'none'} go before a text and ${after.join(', ') || 'none'} behind it; ` +
        `GGUF can only say whether BOS (${bos ?? 'none'}) and EOS (${eos ?? 'none'}) do. ` +
        'Convert with `--vocabulary none` or `made`, which leave the tokenizer out.',
    );
  }
  const added: GgufMetadata = new Map([['tokenizer.ggml.add_bos_token', bool(before.length > 0)]]);
  if (before.length > 0 && bos !== undefined) added.set('tokenizer.ggml.bos_token_id', uint32(bos));
  if (after.length > 0) added.set('tokenizer.ggml.add_eos_token', bool(true));
  return added;
}
