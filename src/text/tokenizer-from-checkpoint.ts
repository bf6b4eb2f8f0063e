/** Finds a model's tokenizer, end tokens and sampling defaults in its files, whatever their format. */
import type { AssetName, Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { hasGgufVocabulary, listedEndIds } from './gguf-vocabulary.ts';
import { ggufTokenizer } from './gguf-tokenizer.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import type { Tokenizer } from './tokenizer.ts';
import { idList } from '../tensor/json.ts';
import { WORD_PIECE_FAMILIES, wordPieceTokenizer } from '../tensor/word-piece-file.ts';

/**
 * The tokenizer of a model, or undefined for a model that comes without one. What reads a tokenizer.json is loaded where there is one.
 * @throws FormatError for one that is damaged or of an unsupported kind
 */
export async function tokenizerFromCheckpoint(checkpoint: Checkpoint): Promise<Tokenizer | undefined> {
  if (hasGgufVocabulary(checkpoint)) {
    if (checkpoint.metadata.get('tokenizer.ggml.model') !== 'bert') return ggufTokenizer(checkpoint);
    const { ggufWordPiece } = await import('./gguf-word-piece.ts');
    return ggufWordPiece(checkpoint);
  }
  const tokenizer = checkpoint.assets.get('tokenizer.json');
  if (tokenizer === undefined) return wordPieceOf(checkpoint);
  const { jsonTokenizer } = await import('./json-tokenizer.ts');
  return jsonTokenizer({
    name: checkpoint.name,
    tokenizer,
    settings: jsonAsset(checkpoint, 'tokenizer_config.json'),
    generation: jsonAsset(checkpoint, 'generation_config.json'),
    config: checkpoint.config,
  });
}

async function wordPieceOf(checkpoint: Checkpoint): Promise<Tokenizer | undefined> {
  const vocabulary = checkpoint.assets.get('vocab.txt');
  if (vocabulary === undefined || !WORD_PIECE_FAMILIES.includes(checkpoint.architecture)) return undefined;
  const { name } = checkpoint;
  const tokenizer = wordPieceTokenizer({ name, vocabulary, settings: jsonAsset(checkpoint, 'tokenizer_config.json') });
  const { jsonTokenizer } = await import('./json-tokenizer.ts');
  return jsonTokenizer({ name, tokenizer: JSON.stringify(tokenizer) });
}

/**
 * Every token that ends an answer: the tokenizer's where there is one, and those that generation_config.json or
 * config.json list. Works for a model without a tokenizer.
 */
export function endTokens(checkpoint: Checkpoint, tokenizer?: Tokenizer): ReadonlySet<number> {
  const ids = new Set(tokenizer?.endIds);
  const generation = jsonAsset(checkpoint, 'generation_config.json');
  for (const id of [...listedEndIds(checkpoint), ...idList(generation?.['eos_token_id']), ...idList(checkpoint.config?.['eos_token_id'])])
    ids.add(id);
  if (tokenizer === undefined) {
    for (const key of ['eos_token_id', 'eot_token_id', 'eom_token_id']) {
      const id = checkpoint.metadata.get(`tokenizer.ggml.${key}`);
      if (typeof id === 'number') ids.add(id);
    }
  }
  return ids;
}

/** A text file beside the weights, parsed. @throws FormatError where it is not a JSON object */
export function jsonAsset(checkpoint: Checkpoint, name: AssetName): JsonObject | undefined {
  const text = checkpoint.assets.get(name);
  return text === undefined ? undefined : parseJsonObject(text, `${checkpoint.name}: ${name}`);
}
