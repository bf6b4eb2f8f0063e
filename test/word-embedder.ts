/** A small model of embeddings that reads texts: golden BERT with a tokenizer of made-up words, so that texts have its token ids. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { filesBelow, poolingFiles } from './embedding-model.ts';
import { f32Of, fixturesPath, readFixtureTensors } from './fixture-tensors.ts';

export interface WordEmbedder {
  /** Removed when the file's tests are over. */
  readonly folder: string;
  readonly texts: readonly string[];
  /** Token ids of the texts. */
  readonly ids: readonly (readonly number[])[];
  /** What transformers makes of them: unit vectors [texts][dimensions]. */
  readonly vectors: readonly Float32Array[];
}

const GOLDEN = join(fixturesPath, 'golden/bert');

/** Word i is token i. Nothing stands around a text, as in the golden. */
function tokenizer(words: number): object {
  return {
    version: '1.0',
    added_tokens: [],
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: null,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece', unk_token: 'w0', continuing_subword_prefix: '##', max_input_chars_per_word: 100,
      vocab: Object.fromEntries(Array.from({ length: words }, (_, id) => [`w${id}`, id])),
    },
  };
}

export function wordEmbedder(): WordEmbedder {
  const json = (name: string) => JSON.parse(readFileSync(join(GOLDEN, name), 'utf8')) as any;
  const folder = mkdtempSync(join(tmpdir(), 'ingot-words-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const extra = poolingFiles('mean_tokens', { 'tokenizer.json': tokenizer(json('config.json').vocab_size) });
  for (const [name, bytes] of filesBelow(GOLDEN, extra)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  const prompts = json('golden.json').prompts as Record<string, number[]>;
  const tensors = readFixtureTensors(join(GOLDEN, 'golden.safetensors'));
  const ids = Object.values(prompts);
  return {
    folder, ids,
    texts: ids.map((one) => one.map((id) => `w${id}`).join(' ')),
    vectors: Object.keys(prompts).map((name) => f32Of(tensors, `${name}.mean_pooled`)),
  };
}
