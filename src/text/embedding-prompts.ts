/** What a model of embeddings asks to be put before texts: `prompts` of config_sentence_transformers.json. */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import { jsonAsset } from './tokenizer-from-checkpoint.ts';

export interface EmbeddingPrompts {
  readonly query: string;
  readonly document: string;
  /** Where the caller does not say what a text is for. */
  readonly default: string;
}

/** Names of prompts, in the order in which sentence-transformers' `encode_query` and `encode_document` look for them. */
const PROMPT_NAMES = { query: ['query'], document: ['document', 'passage', 'corpus'] } as const;

/** Undefined where the files name none. @throws FormatError for prompts that are no texts, and a default that there is not */
export function embeddingPrompts(checkpoint: Checkpoint): EmbeddingPrompts | undefined {
  const settings = jsonAsset(checkpoint, 'config_sentence_transformers.json');
  const listed = settings?.['prompts'];
  const where = `${checkpoint.name}: config_sentence_transformers.json`;
  if (listed === undefined || listed === null) return undefined;
  if (!isJsonObject(listed)) throw new FormatError(`${where}: prompts must be an object of texts.`);
  const prompts = new Map(Object.entries(listed).map(([name, text]) => {
    if (typeof text !== 'string') throw new FormatError(`${where}: prompts.${name.slice(0, 80)} must be a text, found ${typeof text}.`);
    return [name, text] as const;
  }));
  const name = settings?.['default_prompt_name'] ?? undefined;
  const standard = typeof name === 'string' ? prompts.get(name) : '';
  if ((name !== undefined && typeof name !== 'string') || standard === undefined)
    throw new FormatError(`${where}: default_prompt_name must be one of ${[...prompts.keys()].join(', ')}, found ${JSON.stringify(name)}.`);
  const first = (names: readonly string[]) => names.map((each) => prompts.get(each)).find((text) => text !== undefined) ?? standard;
  return { query: first(PROMPT_NAMES.query), document: first(PROMPT_NAMES.document), default: standard };
}
