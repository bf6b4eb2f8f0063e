/** tokenizer_config.json beside a tokenizer.json, against what transformers made of both (scripts/fixtures/tokenizer_settings.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../../test/fixture-tensors.ts';
import { memoryCheckpoint } from '../../../test/memory-checkpoint.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { jsonTokenizer } from '../json-tokenizer.ts';
import { specialTokenTexts } from '../special-token-texts.ts';
import type { Tokenizer } from '../tokenizer.ts';

interface Case {
  readonly model: string;
  readonly settings: JsonObject;
  readonly vocabSize: number;
  readonly special: Readonly<Record<string, string>>;
  readonly texts: readonly (readonly [text: string, ids: number[], decoded: string, withoutSpecial: string])[];
}

const { models, cases } = JSON.parse(readFileSync(`${fixturesPath}tokenizers/settings.json`, 'utf8')) as {
  readonly models: Readonly<Record<string, JsonObject>>;
  readonly cases: Readonly<Record<string, Case>>;
};

const tokenizerOf = (model: string, settings: JsonObject): Tokenizer =>
  jsonTokenizer({ name: 'm', tokenizer: JSON.stringify({ version: '1.0', ...models[model] }), settings });

describe('settings of tokenizer_config.json give the ids and texts that transformers gives', () => {
  it.each(Object.keys(cases))('%s', (name) => {
    const { model, settings, vocabSize, special, texts } = cases[name]!;
    const tokenizer = tokenizerOf(model, settings);
    expect(tokenizer.vocabSize).toBe(vocabSize);
    for (const [text, ids, decoded, withoutSpecial] of texts) {
      expect(tokenizer.encode(text, { parseSpecial: true }), text).toEqual(ids);
      expect(tokenizer.decode(ids), text).toBe(decoded);
      expect(tokenizer.decode(ids, { skipSpecial: true }), text).toBe(withoutSpecial);
    }
    const bare = memoryCheckpoint({ format: 'safetensors', architecture: 'llama', tensors: {} });
    const checkpoint = { ...bare, assets: new Map([['tokenizer_config.json', JSON.stringify(settings)] as const]) };
    // The unknown token of the model has its name here even where no file gives it one.
    const unknown = model === 'byte BPE' ? '<unk>' : '[UNK]';
    expect(specialTokenTexts(checkpoint, tokenizer)).toEqual({ unk_token: unknown, ...special });
  });
});

describe('settings that are not obeyed', () => {
  const warnings = (model: string, settings: JsonObject): readonly string[] => tokenizerOf(model, settings).warnings;

  it.each([
    ['byte BPE', { add_prefix_space: true }, 'says add_prefix_space: true, but tokenizer.json does as if it were false, and is obeyed'],
    ['word pieces', { do_lower_case: false }, 'says do_lower_case: false'],
    ['byte BPE', { sausages: 3, eggs: [1], bacon: null }, 'not known here and not used: "sausages", "eggs"'],
  ])('are told by name: %s %o', (model, settings, message) => {
    expect(warnings(model, settings as JsonObject).join('\n')).toContain(message);
  });

  it.each([
    ['byte BPE', { add_prefix_space: false, legacy: true, model_max_length: 5, boi_token: 'x', boi_token_id: 3, tokenizer_class: 'X' }],
    ['word pieces', { do_lower_case: true, strip_accents: false, add_prefix_space: true }],
  ])('are not told where tokenizer.json does the same, or has no such part: %s %o', (model, settings) => {
    expect(warnings(model, settings as JsonObject)).toEqual([]);
  });

  it.each([
    [{ added_tokens_decoder: [] }, /expected an object added_tokens_decoder/],
    [{ added_tokens_decoder: { 9: 'x' } }, /added_tokens_decoder\[9\]: expected a token/],
    [{ added_tokens_decoder: { 9: { content: 'x', lstrip: 3 } } }, /lstrip/],
    [{ split_special_tokens: 'no' }, /expected split_special_tokens to be true or false/],
    [{ clean_up_tokenization_spaces: 1 }, /clean_up_tokenization_spaces/],
  ])('are refused where they are not what they should be: %o', (settings, message) => {
    expect(() => tokenizerOf('byte BPE', settings as JsonObject)).toThrow(FormatError);
    expect(() => tokenizerOf('byte BPE', settings as JsonObject)).toThrow(message);
  });

  it('a cleaned text comes in pieces as it comes as a whole', () => {
    const { settings, texts } = cases['word pieces: clean_up_tokenization_spaces']!;
    const tokenizer = tokenizerOf('word pieces', settings);
    for (const [, ids, decoded] of texts) {
      const stream = tokenizer.streamDecoder({ atStart: true });
      const pieces = ids.map((id) => stream.push(id));
      expect(pieces.join('') + stream.flush()).toBe(decoded);
    }
    const [, ids] = texts[0]!;
    const stream = tokenizer.streamDecoder({ atStart: true });
    expect(ids.map((id) => stream.push(id)).filter((piece) => piece !== '').length).toBeGreaterThan(2);
  });
});
