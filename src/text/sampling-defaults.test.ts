import { describe, expect, test } from 'vitest';
import type { AssetName, Checkpoint, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { chatTemplateOf, chatTemplateSources } from './chat-template-source.ts';
import { samplingDefaults, samplingWarnings } from './sampling-defaults.ts';
import { endTokens, tokenizerFromCheckpoint } from './tokenizer-from-checkpoint.ts';

function checkpoint(assets: Partial<Record<AssetName, object | string>>, metadata: Record<string, MetadataValue> = {}): Checkpoint {
  return {
    format: 'safetensors',
    name: 'test',
    architecture: 'llama',
    metadata: new Map(Object.entries(metadata)),
    config: { eos_token_id: 7 },
    tensors: new Map(),
    assets: new Map(Object.entries(assets).map(([name, value]) => [
      name as AssetName, typeof value === 'string' ? value : JSON.stringify(value),
    ])),
    sizeBytes: 0,
    close: () => Promise.resolve(),
  };
}

test('sampling of generation_config.json', () => {
  const generation = { do_sample: true, temperature: 0.7, top_k: 50, top_p: 0.95, min_p: 0.05, repetition_penalty: 1.1 };
  expect(samplingDefaults(checkpoint({ 'generation_config.json': generation }))).toEqual({
    temperature: 0.7, topK: 50, topP: 0.95, minP: 0.05, repetitionPenalty: 1.1,
  });
  expect(samplingDefaults(checkpoint({ 'generation_config.json': { do_sample: false, temperature: 0.7 } }))).toEqual({ temperature: 0 });
  expect(samplingDefaults(checkpoint({}))).toEqual({});
});

test('sampling of GGUF metadata, with the floats as they were meant', () => {
  const metadata = { 'general.sampling.temp': Math.fround(0.7), 'general.sampling.top_k': 20, 'general.sampling.top_p': Math.fround(0.95) };
  expect(samplingDefaults(checkpoint({}, metadata))).toEqual({ temperature: 0.7, topK: 20, topP: 0.95 });
});

test('values that make no sense are left out', () => {
  const generation = { temperature: -1, top_k: 1.5, top_p: 0, min_p: 'x', repetition_penalty: null };
  expect(samplingDefaults(checkpoint({ 'generation_config.json': generation }))).toEqual({});
  expect(() => samplingDefaults(checkpoint({ 'generation_config.json': '{' }))).toThrow(FormatError);
});

test('without sampling only the penalties count', () => {
  const generation = { do_sample: false, temperature: 0.7, top_k: 5, repetition_penalty: 1.2, presence_penalty: 1.5 };
  expect(samplingDefaults(checkpoint({ 'generation_config.json': generation }))).toEqual({
    temperature: 0, repetitionPenalty: 1.2, presencePenalty: 1.5,
  });
  expect(samplingDefaults(checkpoint({ 'generation_config.json': {
    do_sample: false, repetition_penalty: Infinity,
  } }))).toEqual({ temperature: 0 });
  expect(samplingDefaults(checkpoint({ 'generation_config.json': {
    frequency_penalty: -0.5, presence_penalty: 3,
  } }))).toEqual({ frequencyPenalty: -0.5 });
});

describe('warnings', () => {
  const warnings = (generation: object, metadata = {}) => samplingWarnings(checkpoint({ 'generation_config.json': generation }, metadata));

  test('none for what is obeyed, is nobody\'s choice of tokens, or does nothing', () => {
    const idle = {
      bos_token_id: 1,
      eos_token_id: [2],
      do_sample: true,
      temperature: 0.7,
      top_k: null,
      max_length: 4096,
      max_new_tokens: 512,
      transformers_version: '4',
      num_beams: 1,
      typical_p: 1,
      suppress_tokens: [],
      begin_suppress_tokens: null,
      no_repeat_ngram_size: 0,
      length_penalty: 1,
      early_stopping: false,
      forced_bos_token_id: null,
      sequence_bias: {},
      presence_penalty: 1,
      guidance_scale: 1,
    };
    expect(warnings(idle)).toEqual([]);
    expect(samplingWarnings(checkpoint({}))).toEqual([]);
    expect(warnings({}, {
      'general.sampling.temp': 0.5, 'general.sampling.mirostat': 0, 'general.sampling.mirostat_tau': 5,
      'general.sampling.penalty_last_n': 64, 'general.name': 'x',
    })).toEqual([]);
  });

  test('of settings that are not obeyed, with their values', () => {
    expect(warnings({
      num_beams: 4, suppress_tokens: [1, 2], made_up: 'x', no_repeat_ngram_size: 3, typical_p: 0.9,
      forced_bos_token_id: 0, stop_strings: ['END'],
    })).toEqual([
      'test: generation_config.json has settings of generation that are not obeyed here: num_beams (4), suppress_tokens ' +
      '([1,2]), made_up ("x"), no_repeat_ngram_size (3), ' +
        'typical_p (0.9), forced_bos_token_id (0), stop_strings (["END"]).',
    ]);
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`made_up_${i}`, 'x'.repeat(1000)]));
    expect(warnings(many)[0]).toMatch(/made_up_7 \("x{39}\.\.\.\) and 9992 more\.$/);
    expect(
      warnings(
        {},
        {
          'general.sampling.mirostat': 2,
          'general.sampling.mirostat_tau': 5,
          'general.sampling.penalty_last_n': 64,
          'general.sampling.penalty_repeat': 1.1,
        },
      ),
    ).toEqual([
      'test: its metadata has settings of generation that are not obeyed here: general.sampling.mirostat (2), ' +
        'general.sampling.mirostat_tau (5), general.sampling.penalty_last_n (64).',
    ]);
  });

  test('of values that make no sense', () => {
    expect(warnings({ temperature: -1, top_p: 'x', do_sample: 'no', top_k: 1.5 })).toEqual([
      'test: generation_config.json has values that make no sense and are not used: temperature (-1), top_p ("x"), do_sample ' +
        '("no"), top_k (1.5).',
    ]);
    expect(warnings({}, { 'general.sampling.temp': -2, 'general.sampling.top_k': 2n ** 60n })).toEqual([
      'test: its metadata has values that make no sense and are not used: general.sampling.temp (-2), general.sampling.top_k ' +
        '(1152921504606846976).',
    ]);
    // The folder's own file comes before it.
    expect(warnings({ temperature: 0.5 }, { 'general.sampling.temp': -2 })).toEqual([]);
  });
});

test('end tokens of a model without a tokenizer', async () => {
  const model = checkpoint({ 'generation_config.json': { eos_token_id: [3, 4] } }, {
    'tokenizer.ggml.eot_token_id': 5, 'ingot.eos_token_ids': new Int32Array([6]),
  });
  expect(await tokenizerFromCheckpoint(model)).toBeUndefined();
  expect([...endTokens(model)].sort()).toEqual([3, 4, 5, 6, 7]);
});

test('chat templates: the file of its own first, then the settings, then GGUF', async () => {
  const render = async (model: Checkpoint, tools?: object[]): Promise<string | undefined> =>
    (await chatTemplateOf(model))?.render({ messages: [], tools }).text;
  const gguf = { 'tokenizer.chat_template': 'gguf', 'tokenizer.chat_template.tool_use': 'gguf tools' };
  expect(await render(checkpoint({}))).toBeUndefined();
  expect(await render(checkpoint({}, gguf))).toBe('gguf');
  expect(await render(checkpoint({}, gguf), [{}])).toBe('gguf tools');
  expect(await render(checkpoint({ 'tokenizer_config.json': { chat_template: 'settings' } }, gguf))).toBe('settings');
  const list = [{ name: 'default', template: 'listed' }, { name: 'tool_use', template: 'listed tools' }];
  expect(await render(checkpoint({ 'tokenizer_config.json': { chat_template: list } }), [{}])).toBe('listed tools');
  expect(await render(checkpoint({ 'chat_template.jinja': 'own', 'tokenizer_config.json': { chat_template: 'settings' } }))).toBe('own');
  expect(await render(checkpoint({ 'chat_template.jinja': 'own', 'tokenizer_config.json': { chat_template: list } }, gguf), [{}])).toBe(
    'own',
  );
  expect((await chatTemplateOf(checkpoint({ 'chat_template.jinja': 'own' }), 'passed'))?.render({ messages: [] }).text).toBe('passed');
  expect(() => chatTemplateSources(checkpoint({ 'tokenizer_config.json': { chat_template: [1] } }))).toThrow(/chat_template\[0\]/);
});

test('several templates with names: tools take theirs, an empty list too, and without a default there is none to take', async () => {
  const model = (...names: string[]): Checkpoint =>
    checkpoint({ 'tokenizer_config.json': { chat_template: names.map((name) => ({ name, template: `the ${name}` })) } });
  const render = async (of: Checkpoint, tools?: object[]): Promise<string | undefined> =>
    (await chatTemplateOf(of))?.render({ messages: [], tools }).text;
  expect(await render(model('rag', 'default', 'tool_use'))).toBe('the default');
  expect(await render(model('rag', 'default', 'tool_use'), [])).toBe('the tool_use');
  expect(await render(model('rag', 'default'), [{}])).toBe('the default');
  expect(await render(model('rag', 'tool_use'), [{}])).toBe('the tool_use');
  await expect(render(model('rag', 'tool_use'))).rejects.toThrow(FormatError);
  await expect(render(model('tool_use', 'rag'))).rejects.toThrow(/expected a chat template called "default", found "rag", "tool_use"/);
  await expect(render(model('rag'))).rejects.toThrow(/found "rag"/);
});
