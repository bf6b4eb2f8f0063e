import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fuzzTexts } from '../../test/fuzz-text.ts';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { encodeGgufHeader } from '../files/gguf-encoder.ts';
import { openGguf } from '../files/gguf-reader.ts';
import { memoryFolder } from '../files/memory-source.ts';
import { vocabularyMetadata } from '../files/vocabulary-metadata.ts';
import type { AssetName, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { string } from '../tensor/gguf-value.ts';
import { jsonTokenizer } from './json-tokenizer.ts';
import { tokenizerFromCheckpoint } from './tokenizer-from-checkpoint.ts';
import type { Tokenizer } from './tokenizer.ts';

const read = (name: string): string => readFileSync(`${fixturesPath}ember/${name}`, 'utf8');
const ember = JSON.parse(read('tokenizer.json')) as JsonObject & { model: JsonObject };
const sources = {
  name: 'ember',
  settings: JSON.parse(read('tokenizer_config.json')) as JsonObject,
  generation: JSON.parse(read('generation_config.json')) as JsonObject,
};

function tokenizerOf(json: object): Tokenizer {
  return jsonTokenizer({ ...sources, tokenizer: JSON.stringify(json) });
}

describe('tokenizer.json of a trained model', () => {
  const tokenizer = tokenizerOf(ember);

  test('golden texts', () => {
    const { prompts } = JSON.parse(read('golden.json')) as { prompts: { text: string; ids: number[]; greedy_ids: number[]; greedy_text: string }[] };
    for (const { text, ids, greedy_ids: answer, greedy_text: answerText } of prompts) {
      expect(tokenizer.encode(text, { parseSpecial: true })).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(text);
      expect(tokenizer.decode(answer)).toBe(answerText);
      const stream = tokenizer.streamDecoder();
      expect(answer.map((id) => stream.push(id)).join('') + stream.flush()).toBe(answerText);
    }
  });

  test('special tokens', () => {
    expect(tokenizer.vocabSize).toBe(4096);
    expect([...tokenizer.endIds]).toEqual([4082, 4080]);
    expect(tokenizer.special).toMatchObject({ bos: undefined, eos: 4082, pad: 4080 });
    expect(tokenizer.encode('<|im_end|>')).not.toContain(4082);
    expect(tokenizer.encode('<think>')).toEqual([4083]);
    expect(tokenizer.decode([4081, 4083], { skipSpecial: true })).toBe('<think>');
  });

  test('the normaliser that it names is applied', () => {
    expect(tokenizer.encode('e\u0301')).toEqual(tokenizer.encode('é'));
    const without = tokenizerOf({ ...ember, normalizer: null });
    expect(without.encode('e\u0301')).not.toEqual(without.encode('é'));
  });

  test('the same vocabulary as GGUF gives the same ids for text in NFC', async () => {
    const names: AssetName[] = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json', 'chat_template.jinja'];
    const assets = new Map(names.map((name) => [name, read(name)] as const));
    const metadata = vocabularyMetadata({ assets, config: {}, vocabSize: 4096, name: 'ember' });
    metadata.set('general.architecture', string('qwen3'));
    const file = encodeGgufHeader(metadata, [], 32).slice();
    const gguf = tokenizerFromCheckpoint(await openGguf(memoryFolder(new Map([['e.gguf', file]]), 'test'), 'e.gguf'))!;
    expect([...gguf.endIds].sort()).toEqual([...tokenizer.endIds].sort());
    for (const text of fuzzTexts(1000, 5).map((each) => each.normalize('NFC'))) {
      for (const parseSpecial of [false, true]) {
        const ids = tokenizer.encode(text, { parseSpecial });
        expect(gguf.encode(text, { parseSpecial }), JSON.stringify(text)).toEqual(ids);
        expect(gguf.decode(ids)).toBe(tokenizer.decode(ids));
      }
    }
  });
});

describe('what a tokenizer.json may hold', () => {
  const letters = Object.fromEntries(['<s>', '</s>', '<unk>', '▁', 'a', 'b', 'ab', '▁ab', '<0xC3>', '<0xA9>'].map((token, id) => [token, id]));
  const added = ['<s>', '</s>', '<unk>'].map((content, id) => ({ id, content, special: true, normalized: false, lstrip: false, rstrip: false, single_word: false }));
  const metaspace = {
    added_tokens: added,
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, { type: 'Replace', pattern: { String: ' ' }, content: '▁' }] },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] }, '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }],
    },
    model: { type: 'BPE', vocab: letters, merges: ['a b', '▁ ab'], byte_fallback: true, fuse_unk: true, unk_token: '<unk>' },
  };

  test('U+2581 for spaces, byte fallback, BOS and EOS', () => {
    const tokenizer = jsonTokenizer({ name: 'm', tokenizer: JSON.stringify(metaspace), settings: { bos_token: '<s>', eos_token: { content: '</s>' } } });
    const ids = tokenizer.encode('ab abé', { addSpecial: true });
    expect(ids.map((id) => tokenizer.tokenText(id))).toEqual(['<s>', '▁ab', '▁ab', '<0xC3>', '<0xA9>', '</s>']);
    expect(tokenizer.addBos && tokenizer.addEos).toBe(true);
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe('ab abé');
    expect(tokenizer.encode('<s>ab', { parseSpecial: true })[0]).toBe(0);
  });

  const bad: readonly [string, string, RegExp][] = [
    ['not JSON', '{"model": ', /not valid JSON/],
    ['empty', '', /not valid JSON/],
    ['an array', '[]', /must be a JSON object/],
    ['no model', '{}', /expected an object "model"/],
    ['another kind of model', '{"model": {"type": "WordLevel", "vocab": {}}}', /the model is WordLevel; expected BPE or Unigram/],
    ['no vocabulary', '{"model": {"type": "BPE", "merges": []}}', /expected model.vocab/],
    ['an id that is text', '{"model": {"type": "BPE", "vocab": {"a": "0"}, "merges": []}}', /the token "a" has the id "0"/],
    ['a huge id', '{"model": {"type": "BPE", "vocab": {"a": 4000000000}, "merges": []}}', /has the id 4000000000/],
    ['merges that are text', '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": "a b"}}', /expected an array model.merges/],
    ['a merge of an unknown token', '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}', /model.merges\[0\] is "a b"/],
    ['added tokens that are text', '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": ["x"]}', /added_tokens\[0\]/],
    ['an unknown normaliser', JSON.stringify({ ...metaspace, normalizer: { type: 'Frobnicate' } }), /cannot be used/],
    ['an empty vocabulary', '{"model": {"type": "BPE", "vocab": {}, "merges": []}}', /vocabulary is empty/],
  ];
  test.each(bad)('%s', (_name, text, message) => {
    expect(() => jsonTokenizer({ name: 'm', tokenizer: text })).toThrow(FormatError);
    expect(() => jsonTokenizer({ name: 'm', tokenizer: text })).toThrow(message);
  });
});
