/** The tokenizer of a Hugging Face folder as GGUF's `tokenizer.*` keys: byte-level BPE, SentencePiece's BPE, or BERT's WordPiece. */
import type { AssetName, JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import { bool, int32s, string, strings, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { addedAround, readPostProcessor } from '../tensor/post-processor.ts';
import { chatTemplateMetadata } from './chat-template-metadata.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { WORD_PIECE_FAMILIES, wordPieceTokenizer } from '../tensor/word-piece-file.ts';
import { preTokenizerKind } from './pre-tokenizer-kind.ts';
import { metaspaceScheme, sentencePieceMetadata } from './sentence-piece-metadata.ts';
import { specialIds } from './special-ids.ts';
import { LEAVE_OUT, objectAt, tokenTable } from './token-table.ts';
import type { TokenizerFile } from './token-table.ts';
import { wordPieceMetadata } from './word-piece-metadata.ts';

export interface VocabularySource {
  readonly assets: ReadonlyMap<AssetName, string>;
  readonly config: JsonObject | undefined;
  /** As config.json names it. */
  readonly architecture: string;
  /** Rows of the embedding: ids without a token are written as unused ones. */
  readonly vocabSize: number;
  /** For messages. */
  readonly name: string;
}

/**
 * The keys of a folder's vocabulary; only the ids of its special tokens where it has no tokenizer.
 * @throws FormatError for a tokenizer that GGUF cannot say, or with more tokens than the model has rows
 */
export function vocabularyMetadata(source: VocabularySource): GgufMetadata {
  const { vocabSize } = source;
  const settings = parseAsset(source, 'tokenizer_config.json');
  const read = readTokenizer(source, settings);
  if (read === undefined) return specialIdMetadata(source, {}, new Map());
  const { tokenizer, where } = read;
  const model = objectAt(tokenizer, 'model', where);
  const file: TokenizerFile = { tokenizer, model, vocabSize, where };
  const metadata = new Map(modelMetadata(file));
  const { idOf } = tokenTable(file);
  const isWordPiece = model['type'] === 'WordPiece';
  for (const [key, value] of specialIdMetadata(source, settings, idOf)) if (!metadata.has(key)) metadata.set(key, value);
  // BERT's always has a token before a text and one behind it.
  if (!isWordPiece) for (const [key, value] of aroundMetadata(tokenizer, { settings, metadata, where })) metadata.set(key, value);
  for (const [key, value] of chatTemplateMetadata(source.assets, settings)) metadata.set(key, value);
  return metadata;
}

/**
 * What a folder's tokenizer.json says and no GGUF file to all readers: added tokens that take the spaces beside them, or are whole words
 * alone; a space before a text that has one, or behind added tokens.
 */
export function vocabularyWarnings({ assets, name }: Pick<VocabularySource, 'assets' | 'name'>): readonly string[] {
  const text = assets.get('tokenizer.json');
  const tokenizer = text === undefined ? {} : parseJsonObject(text, `${name}: tokenizer.json`);
  const added = tokenizer['added_tokens'];
  const lost = (Array.isArray(added) ? (added as readonly JsonValue[]) : []).filter((token) =>
    isJsonObject(token) && ['lstrip', 'rstrip', 'single_word'].some((flag) => token[flag] === true)) as readonly JsonObject[];
  const named = lost.slice(0, 4).map(({ content }) => String(content).slice(0, 40)).join(', ');
  const such = `${named}${lost.length > 4 ? ` and ${lost.length - 4} more` : ''}`;
  const isOwn = ['first', 'always'].includes(metaspaceScheme(tokenizer) ?? '');
  return [
    ...(lost.length === 0 ? [] : [`${name}: GGUF cannot say lstrip, rstrip and single_word, which tokenizer.json says of ${such}.`]),
    ...(isOwn ? [`${name}: ${SPACES}`] : []),
  ];
}

const SPACES = "where its tokenizer puts a space before a text is in a key of Ingot's own: llama.cpp puts one before more texts than it.";

/** tokenizer.json, or BERT's vocab.txt as one. */
function readTokenizer({ assets, name, architecture }: VocabularySource, settings: JsonObject) {
  const text = assets.get('tokenizer.json');
  if (text !== undefined) return { tokenizer: parseJsonObject(text, `${name}: tokenizer.json`), where: `${name}: tokenizer.json` };
  const vocabulary = assets.get('vocab.txt');
  if (vocabulary === undefined || !WORD_PIECE_FAMILIES.includes(architecture)) return undefined;
  return { tokenizer: wordPieceTokenizer({ name, vocabulary, settings }), where: `${name}: vocab.txt` };
}

/** Tokens, and how texts become tokens. */
function modelMetadata(file: TokenizerFile): GgufMetadata {
  const { tokenizer, model, where } = file;
  if (model['type'] === 'WordPiece') return wordPieceMetadata(file);
  if (model['type'] !== 'BPE')
    throw new FormatError(`${where}: only BPE and WordPiece can be converted, found ${JSON.stringify(model['type'])}. ${LEAVE_OUT}`);
  const merges = mergesOf(model, where);
  if (model['byte_fallback'] === true) return sentencePieceMetadata(file, merges);
  const { tokens, types } = tokenTable(file);
  const normalizer = tokenizer['normalizer'] ?? null;
  // Qwen's files ask for NFC, which nearly all texts are in, and llama.cpp's files of them go without.
  if (normalizer !== null && !JSON.stringify(normalizer).includes('"NFC"'))
    throw new FormatError(`${where}: GGUF has no way to say the normalizer ${JSON.stringify(normalizer).slice(0, 160)}. ${LEAVE_OUT}`);
  return new Map([
    ['tokenizer.ggml.model', string('gpt2')],
    ['tokenizer.ggml.pre', string(preOf(tokenizer, where))],
    ['tokenizer.ggml.tokens', strings(tokens)],
    ['tokenizer.ggml.token_type', int32s(types)],
    ['tokenizer.ggml.merges', strings(merges)],
  ]);
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

function preOf(tokenizer: JsonObject, where: string): string {
  const pre = tokenizer['pre_tokenizer'];
  if (typeof pre !== 'object' || pre === null || Array.isArray(pre)) {
    throw new FormatError(`${where}: GGUF has no way to say BPE with neither bytes as a fallback nor a pre_tokenizer. ${LEAVE_OUT}`);
  }
  const kind = preTokenizerKind(pre as JsonObject);
  if (kind !== undefined) return kind;
  throw new FormatError(
    `${where}: GGUF has no name known here for how this tokenizer splits text: ${JSON.stringify(pre).slice(0, 400)}. ${LEAVE_OUT}`,
  );
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
        LEAVE_OUT,
    );
  }
  const added: GgufMetadata = new Map([['tokenizer.ggml.add_bos_token', bool(before.length > 0)]]);
  if (before.length > 0 && bos !== undefined) added.set('tokenizer.ggml.bos_token_id', uint32(bos));
  if (after.length > 0) added.set('tokenizer.ggml.add_eos_token', bool(true));
  return added;
}
