import { join } from 'node:path';
import { expect, it } from 'vitest';
import { embeddingModel, filesBelow, poolingFiles } from '../../test/embedding-model.ts';
import { fixturesPath } from '../../test/fixture-tensors.ts';

const TOKENS = ['[UNK]', '[CLS]', '[SEP]', 'find', 'this', 'text', 'fox', ':'];

/** A WordPiece tokenizer that puts [CLS] and [SEP] around texts. */
const tokenizer = {
  version: '1.0',
  added_tokens: [],
  normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: { type: 'BertProcessing', cls: ['[CLS]', 1], sep: ['[SEP]', 2] },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100,
    vocab: Object.fromEntries(TOKENS.map((token, id) => [token, id])),
  },
};

const prompts = (settings: object) =>
  poolingFiles('mean_tokens', { 'tokenizer.json': tokenizer, 'config_sentence_transformers.json': settings });

const idsOf = (words: string) => [1, ...words.split(' ').map((word) => TOKENS.indexOf(word)), 2];

it.each([
  ['the prompts of a query and of a document', { prompts: { query: 'find: ', passage: 'text: ' } }, ['find : fox', 'text : fox', 'fox']],
  ['a default prompt, for what has none of its own', { prompts: { query: 'find: ', all: 'this ' }, default_prompt_name: 'all' },
    ['find : fox', 'this fox', 'this fox']],
  ['no prompts', { prompts: {} }, ['fox', 'fox', 'fox']],
])('texts get the tokens around them, and %s', async (_, settings, expected) => {
  const path = join(fixturesPath, 'golden/bert');
  const model = await embeddingModel(filesBelow(path, prompts(settings)), { device: 'reference' });
  try {
    const [query, document, plain] = expected;
    expect(await model.embed(['Fox'], { kind: 'query' })).toEqual(await model.embed([idsOf(query!)]));
    expect(await model.embed(['fox'], { kind: 'document' })).toEqual(await model.embed([idsOf(document!)]));
    expect(await model.embed(['fox'])).toEqual(await model.embed([idsOf(plain!)]));
    expect(await model.embed(['fox'], { prompt: 'text ' })).toEqual(await model.embed([idsOf('text fox')]));
    expect(await model.embed(['fox'], { prompt: '' })).toEqual(await model.embed([idsOf('fox')]));
  } finally {
    await model.dispose();
  }
});
