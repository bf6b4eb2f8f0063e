import { join } from 'node:path';
import { expect, it } from 'vitest';
import { embeddingModel, filesBelow, poolingFiles } from '../../test/embedding-model.ts';
import type { ExtraFiles } from '../../test/embedding-model.ts';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import type { Model } from './api.ts';

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

async function withFiles(extra: ExtraFiles, body: (model: Model) => Promise<void>): Promise<void> {
  const files = filesBelow(join(fixturesPath, 'golden/bert'), { ...prompts({ prompts: { query: 'FIND: ' } }), ...extra });
  const model = await embeddingModel(files, { device: 'reference' });
  try {
    await body(model);
  } finally {
    await model.dispose();
  }
}

/** As it is, and without the lower case of its own. */
const cased = { ...tokenizer, normalizer: { ...tokenizer.normalizer, lowercase: false } };

it('do_lower_case of sentence_bert_config.json makes texts and their prompts lower case', async () => {
  await withFiles({ 'tokenizer.json': cased, 'sentence_bert_config.json': { do_lower_case: true } }, async (model) => {
    expect(await model.embed(['Fox'], { kind: 'query' })).toEqual(await model.embed([idsOf('find : fox')]));
  });
  await withFiles({ 'tokenizer.json': cased, 'sentence_bert_config.json': { do_lower_case: false } }, async (model) => {
    expect(await model.embed(['Fox'])).toEqual(await model.embed([[1, 0, 2]]));
    expect(model.info.warnings).toEqual([]);
  });
});

it('max_seq_length of sentence_bert_config.json is told, and what is not known there', async () => {
  await withFiles({ 'sentence_bert_config.json': { max_seq_length: 5, model_args: { x: 1 }, method: null } }, async (model) => {
    expect(model.info.warnings.map((warning) => warning.replace(/^.*?: /, ''))).toEqual([
      'sentence_bert_config.json: max_seq_length 5 is not applied: sentence-transformers cuts longer texts; here they stay whole.',
      'sentence_bert_config.json: not known here and not used: model_args (an object).',
    ]);
    const long = 'fox '.repeat(20).trim();
    expect(await model.embed([long])).toEqual(await model.embed([idsOf(long)]));
  });
  await withFiles({ 'sentence_bert_config.json': { max_seq_length: 512 } }, async (model) => {
    expect(model.info.warnings).toEqual([]);
  });
});
