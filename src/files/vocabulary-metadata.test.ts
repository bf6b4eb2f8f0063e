import { describe, expect, test } from 'vitest';
import type { AssetName, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { samplingMetadata } from './chat-template-metadata.ts';
import { vocabularyMetadata } from './vocabulary-metadata.ts';

const preTokenizer = {
  type: 'Sequence',
  pretokenizers: [
    {
      type: 'Split',
      pattern: {
        Regex:
          String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+` +
          String.raw`|\s+(?!\S)|\s+`,
      },
    },
    { type: 'ByteLevel', use_regex: false },
  ],
};
const tokenizer = {
  model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2, '__proto__': 3 }, merges: ['a b'] },
  added_tokens: [
    { id: 4, content: '<|begin_of_text|>', special: true },
    { id: 5, content: '<|end_of_text|>', special: true },
    { id: 6, content: '<|eom_id|>', special: true },
    { id: 7, content: '<|eot_id|>', special: true },
    { id: 8, content: '<think>', special: false },
  ],
  pre_tokenizer: preTokenizer,
};

interface Parts {
  readonly tokenizer?: JsonObject;
  readonly settings?: JsonObject;
  readonly config?: JsonObject;
  readonly generation?: JsonObject;
  readonly template?: string;
  readonly vocabSize?: number;
}

/** JSON.parse makes `__proto__` an ordinary key, which an object literal does not. */
const json = (value: JsonObject) => JSON.stringify(value).replace('"ab":2', '"ab":2,"__proto__":3');

function keysOf(parts: Parts): Record<string, unknown> {
  const assets = new Map<AssetName, string>([['tokenizer.json', json(parts.tokenizer ?? tokenizer)]]);
  if (parts.settings) assets.set('tokenizer_config.json', JSON.stringify(parts.settings));
  if (parts.generation) assets.set('generation_config.json', JSON.stringify(parts.generation));
  if (parts.template) assets.set('chat_template.jinja', parts.template);
  const { config, vocabSize = 10 } = parts;
  const metadata = vocabularyMetadata({ assets, config, vocabSize, architecture: 'llama', name: 'folder' });
  return Object.fromEntries(
    [...metadata].map(([key, { value }]) => [
      key.replace('tokenizer.ggml.', ''),
      typeof value === 'object' ? Array.from(value as ArrayLike<unknown>) : value,
    ]),
  );
}

describe('vocabularyMetadata', () => {
  test('tokens, types, merges and the kind of pre-tokenizer', () => {
    expect(keysOf({})).toMatchObject({
      model: 'gpt2',
      pre: 'llama-bpe',
      tokens: ['a', 'b', 'ab', '__proto__', '<|begin_of_text|>', '<|end_of_text|>', '<|eom_id|>', '<|eot_id|>', '<think>', '[PAD9]'],
      token_type: [1, 1, 1, 1, 3, 3, 3, 3, 4, 5],
      merges: ['a b'],
      add_bos_token: false,
    });
    expect(keysOf({ tokenizer: { ...tokenizer, model: { ...tokenizer.model, merges: [['a', 'b']] } } })['merges']).toEqual(['a b']);
  });

  test('every end token is kept, and those that GGUF has a name for get it', () => {
    const keys = keysOf({
      config: { bos_token_id: 4, eos_token_id: [5, 6, 7] },
      generation: { eos_token_id: [5, 6, 7] },
      settings: { eos_token: '<|eot_id|>' },
    });
    expect(keys).toMatchObject({ bos_token_id: 4, eos_token_id: 7, eom_token_id: 6, 'ingot.eos_token_ids': [7, 5, 6] });
    const other = keysOf({ config: { eos_token_id: [5, 6, 7] } });
    expect(other).toMatchObject({ eos_token_id: 5, eot_token_id: 7, eom_token_id: 6, 'ingot.eos_token_ids': [5, 6, 7] });
    const single = keysOf({ config: { eos_token_id: 5 }, settings: { pad_token: { content: '<|end_of_text|>' }, bos_token: null } });
    expect(single).toMatchObject({ eos_token_id: 5, padding_token_id: 5 });
    expect(single).not.toHaveProperty('bos_token_id');
    expect(single).not.toHaveProperty('ingot.eos_token_ids');
  });

  test('the post-processor decides about the beginning token, else tokenizer_config.json', () => {
    const bos = '<|begin_of_text|>';
    const text = { Sequence: { id: 'A', type_id: 0 } };
    const template = {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: bos, type_id: 0 } }, text],
      pair: [],
      special_tokens: { [bos]: { id: bos, ids: [4], tokens: [bos] } },
    };
    const around = (post: JsonObject | null, settings: JsonObject = {}) =>
      keysOf({
        tokenizer: { ...tokenizer, post_processor: post },
        settings: { bos_token: bos, eos_token: '<|end_of_text|>', ...settings },
      });
    expect(around({ type: 'Sequence', processors: [{ type: 'ByteLevel' }, template] })['add_bos_token']).toBe(true);
    expect(around(template, { add_bos_token: false })['add_bos_token']).toBe(true);
    expect(around(template, { bos_token: null })).toMatchObject({ add_bos_token: true, bos_token_id: 4 });
    for (const silent of [null, { type: 'ByteLevel' }, { ...template, single: [text] }]) {
      expect(around(silent, { add_bos_token: true, add_eos_token: true })).toMatchObject({ add_bos_token: true, add_eos_token: true });
      expect(around(silent)).toMatchObject({ add_bos_token: false });
      expect(around(silent, { add_bos_token: true, bos_token: null })).toMatchObject({ add_bos_token: false });
    }
    expect(() => around({ type: 'BertProcessing', cls: [bos, 4], sep: ['<|eot_id|>', 7] })).toThrow(
      /GGUF can only say whether BOS \(4\) and EOS \(5\)/,
    );
  });

  test('chat templates: the file first, then one text, then several', () => {
    expect(keysOf({ template: 'A', settings: { chat_template: 'B' } })['tokenizer.chat_template']).toBe('A');
    expect(keysOf({ settings: { chat_template: 'B' } })['tokenizer.chat_template']).toBe('B');
    const several = [{ name: 'default', template: 'C' }, { name: 'tool_use', template: 'D' }];
    expect(keysOf({ settings: { chat_template: several } })).toMatchObject({
      'tokenizer.chat_template': 'C', 'tokenizer.chat_template.tool_use': 'D', 'tokenizer.chat_templates': ['tool_use'],
    });
  });

  test.each([
    ['more tokens than rows', { vocabSize: 8 }, /"<think>" has the id 8, but the model has 8 rows/],
    [
      'another kind of model',
      { tokenizer: { ...tokenizer, model: { type: 'Unigram', vocab: [] } } },
      /only BPE and WordPiece can be converted, found "Unigram"/,
    ],
    ['a split without a name', { tokenizer: { ...tokenizer, pre_tokenizer: { type: 'Metaspace' } } }, /GGUF has no name known here/],
    ['no split', { tokenizer: { ...tokenizer, pre_tokenizer: null } }, /neither bytes as a fallback nor a pre_tokenizer/],
    ['a merge of three', { tokenizer: { ...tokenizer, model: { ...tokenizer.model, merges: [['a', 'b', 'c']] } } }, /a merge must be/],
    ['an id that is none', { tokenizer: { ...tokenizer, added_tokens: [{ id: -1, content: 'x' }] } }, /has the id -1/],
    ['no model', { tokenizer: {} }, /must hold an object "model", found nothing/],
  ] as [string, Parts, RegExp][])('refuses %s', (_, parts, message) => {
    expect(() => keysOf(parts)).toThrow(FormatError);
    expect(() => keysOf(parts)).toThrow(message);
  });

  test('a folder without tokenizer.json has ids of special tokens and no tokens', () => {
    const metadata = vocabularyMetadata({
      assets: new Map(),
      config: { bos_token_id: 1, eos_token_id: [2, 3] },
      vocabSize: 10,
      architecture: 'llama',
      name: 'folder',
    });
    expect([...metadata.keys()]).toEqual(['tokenizer.ggml.bos_token_id', 'tokenizer.ggml.eos_token_id', 'ingot.eos_token_ids']);
    expect(vocabularyMetadata({ assets: new Map(), config: {}, vocabSize: 10, architecture: 'llama', name: 'folder' }).size).toBe(0);
  });
});

test('sampling defaults get the names of llama.cpp, and no sampling is temperature 0', () => {
  const generation = { do_sample: true, temperature: 0.7, top_k: 50, top_p: 0.95, min_p: null, repetition_penalty: 1.1 };
  expect(Object.fromEntries(samplingMetadata(generation))).toEqual({
    'general.sampling.temp': { type: 'float32', value: 0.7 },
    'general.sampling.top_k': { type: 'int32', value: 50 },
    'general.sampling.top_p': { type: 'float32', value: 0.95 },
    'general.sampling.penalty_repeat': { type: 'float32', value: 1.1 },
  });
  expect(Object.fromEntries(samplingMetadata({ ...generation, do_sample: false }))).toEqual({
    'general.sampling.temp': { type: 'float32', value: 0 },
    'general.sampling.penalty_repeat': { type: 'float32', value: 1.1 },
  });
});
