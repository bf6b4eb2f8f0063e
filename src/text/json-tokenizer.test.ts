import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fuzzTexts } from '../../test/fuzz-text.ts';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { encodeGgufHeader } from '../files/gguf-encoder.ts';
import { openGguf } from '../files/gguf-reader.ts';
import { memoryFolder } from '../files/memory-source.ts';
import { vocabularyMetadata } from '../files/vocabulary-metadata.ts';
import type { AssetName, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
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
    const { prompts } = JSON.parse(read('golden.json')) as {
      prompts: { text: string; ids: number[]; greedy_ids: number[]; greedy_text: string }[];
    };
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
    const metadata = vocabularyMetadata({ assets, config: {}, vocabSize: 4096, architecture: 'llama', name: 'ember' });
    metadata.set('general.architecture', string('qwen3'));
    const file = encodeGgufHeader(metadata, [], 32).slice();
    const gguf = (await tokenizerFromCheckpoint(await openGguf(memoryFolder(new Map([['e.gguf', file]]), 'test'), 'e.gguf')))!;
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

test.each([
  [true, false], [false, true], [true, true], [false, false],
])('a folder and its GGUF agree on add_bos_token %s and add_eos_token %s', async (bos, eos) => {
  const settings = { ...sources.settings, bos_token: '<think>', add_bos_token: bos, add_eos_token: eos };
  const folder = jsonTokenizer({ ...sources, tokenizer: read('tokenizer.json'), settings });
  const assets = new Map<AssetName, string>([
    ['tokenizer.json', read('tokenizer.json')], ['tokenizer_config.json', JSON.stringify(settings)],
  ]);
  const metadata = vocabularyMetadata({ assets, config: {}, vocabSize: 4096, architecture: 'llama', name: 'ember' });
  metadata.set('general.architecture', string('qwen3'));
  const file = encodeGgufHeader(metadata, [], 32).slice();
  const gguf = (await tokenizerFromCheckpoint(await openGguf(memoryFolder(new Map([['e.gguf', file]]), 'test'), 'e.gguf')))!;
  const ids = folder.encode('hello', { addSpecial: true });
  expect(gguf.encode('hello', { addSpecial: true })).toEqual(ids);
  expect([gguf.addBos, gguf.addEos, ids[0] === 4083, ids.at(-1) === 4082]).toEqual([bos, eos, bos, eos]);
  expect([folder.addBos, folder.addEos]).toEqual([bos, eos]);
});

describe('what a tokenizer.json may hold', () => {
  const letters = Object.fromEntries([
    '<s>', '</s>', '<unk>', '▁', 'a', 'b', 'ab', '▁ab', '<0xC3>', '<0xA9>',
  ].map((token, id) => [token, id]));
  const added = ['<s>', '</s>', '<unk>'].map((content, id) => ({
    id, content, special: true, normalized: false, lstrip: false, rstrip: false, single_word: false,
  }));
  const metaspace = {
    added_tokens: added,
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'Prepend', prepend: '▁' }, { type: 'Replace', pattern: { String: ' ' }, content: '▁' }],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] }, '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: { type: 'BPE', vocab: letters, merges: ['a b', '▁ ab'], byte_fallback: true, fuse_unk: true, unk_token: '<unk>' },
  };

  test('U+2581 for spaces, byte fallback, BOS and EOS', () => {
    const tokenizer = jsonTokenizer({
      name: 'm', tokenizer: JSON.stringify(metaspace), settings: { bos_token: '<s>', eos_token: { content: '</s>' } },
    });
    const ids = tokenizer.encode('ab abé', { addSpecial: true });
    expect(ids.map((id) => tokenizer.tokenText(id))).toEqual(['<s>', '▁ab', '▁ab', '<0xC3>', '<0xA9>', '</s>']);
    expect(tokenizer.addBos && tokenizer.addEos).toBe(true);
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe('ab abé');
    expect(tokenizer.encode('<s>ab', { parseSpecial: true })[0]).toBe(0);
  });

  test('a control token that is shown begins the text: the space behind it stays', () => {
    const tokenizer = jsonTokenizer({ name: 'm', tokenizer: JSON.stringify(metaspace) });
    const ids = tokenizer.encode('<s> ab', { parseSpecial: true });
    expect(ids.map((id) => tokenizer.tokenText(id))).toEqual(['<s>', '▁', '▁ab']);
    expect(tokenizer.decode(ids)).toBe('<s>  ab');
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe(' ab');
    expect(tokenizer.streamDecoder().push(ids[2]!)).toBe(' ab');
  });

  describe('add_bos_token and add_eos_token count where the post-processor adds nothing', () => {
    const settings = { bos_token: '<s>', eos_token: '</s>', add_bos_token: true, add_eos_token: true };
    const encode = (post: object | null, more: JsonObject = {}): number[] =>
      jsonTokenizer({
        name: 'm', tokenizer: JSON.stringify({ ...metaspace, post_processor: post }),
        settings: { ...settings, ...more },
      }).encode('ab', { addSpecial: true });
    const byteLevel = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };

    test.each([
      [null], [byteLevel], [{ type: 'Sequence', processors: [byteLevel] }],
      [{ type: 'TemplateProcessing', single: [{ Sequence: { id: 'A', type_id: 0 } }], pair: [], special_tokens: {} }],
    ])(
      '%j',
      (post) => {
        expect(encode(post)).toEqual([0, 7, 1]);
        expect(encode(post, { add_eos_token: false })).toEqual([0, 7]);
        expect(encode(post, { add_bos_token: null })).toEqual([7, 1]);
        expect(encode(post, { bos_token: null })).toEqual([7, 1]);
      },
    );

    test('what the post-processor adds goes before', () => {
      expect(encode({ type: 'BertProcessing', cls: ['<unk>', 2], sep: ['</s>', 1] })).toEqual([2, 7, 1]);
      expect(encode(metaspace.post_processor, { add_bos_token: false, add_eos_token: false })).toEqual([0, 7, 1]);
    });
  });

  describe('truncation and padding', () => {
    const truncation = { direction: 'Right', max_length: 4, strategy: 'LongestFirst', stride: 0 };
    const padding = { strategy: { Fixed: 8 }, direction: 'Right', pad_to_multiple_of: null, pad_id: 2, pad_type_id: 0, pad_token: '<unk>' };
    const withLimits = (limits: object): Tokenizer => jsonTokenizer({ name: 'm', tokenizer: JSON.stringify({ ...metaspace, ...limits }) });
    const options = { addSpecial: true, applyLimits: true };

    test('are told, and applied only where asked', () => {
      const tokenizer = withLimits({ truncation, padding });
      expect(tokenizer.limits).toBe('truncation to 4 tokens and padding to 8 tokens');
      expect(tokenizer.encode('a a a a', { addSpecial: true })).toHaveLength(10);
      expect(tokenizer.encode('a a a a', options)).toEqual([0, 3, 4, 1, 2, 2, 2, 2]);
      expect(withLimits({}).limits).toBeUndefined();
      expect(withLimits({}).encode('a', options)).toEqual([0, 3, 4, 1]);
    });

    test('as tokenizers applies them', () => {
      expect(withLimits({ truncation: { ...truncation, direction: 'Left' } }).encode('a ab', options)).toEqual([0, 4, 7, 1]);
      expect(withLimits({ truncation }).encode('ab a b', { applyLimits: true })).toEqual([7, 3, 4, 3]);
      expect(withLimits({ padding: {
        ...padding, direction: 'Left', strategy: 'BatchLongest', pad_to_multiple_of: 5,
      } }).encode('ab', options)).toEqual([2, 2, 0, 7, 1]);
      expect(() => withLimits({ truncation: { ...truncation, strategy: 'OnlySecond' } }).encode('a a a a', options)).toThrow(InputError);
      expect(() => withLimits({ truncation: {
        ...truncation, max_length: 1,
      } }).encode('a', options)).toThrow(/truncates to 1 tokens, but puts 2/);
    });
  });

  test('a user cannot make or hide a special token', () => {
    const more = [
      '<s>', '</s>', '<unk>', 'x<s>', '<s>y',
    ].map((content, index) => ({ ...added[0]!, id: index < 3 ? index : index + 7, content }));
    for (const normalized of [false, true]) {
      const tokenizer = jsonTokenizer({
        name: 'm',
        tokenizer: JSON.stringify({
          ...metaspace, normalizer: { type: 'Lowercase' },
          added_tokens: more.map((token) => ({ ...token, normalized })),
        }),
      });
      const ids = (parts: readonly (readonly [string, boolean])[]): number[] =>
        tokenizer.encodeSegments(parts.map(([text, parseSpecial]) => ({ text, parseSpecial })));
      expect(ids([['a', true], ['x', false], ['<s>', true]])).toContain(0);
      expect(ids([['<s>', true], ['y', false]])[0]).toBe(0);
      for (const text of ['<s>', '</s>', 'x<s>', '<s>y'])
        expect(
          ids([
            [text, false],
            ['a', true],
          ]).filter((id) => id < 2 || id > 9),
        ).toEqual([]);
      expect(ids([['<', true], ['s>', false]])).not.toContain(0);
    }
  });

  describe('hostile and long input', () => {
    const chars = Object.fromEntries(['<unk>', ...'abcdefghij '].map((char, id) => [char, id]));
    const merged = { ...chars, aa: 12, aaaa: 13 };
    const models = {
      BPE: { type: 'BPE', vocab: merged, merges: [['a', 'a'], ['aa', 'aa']], unk_token: '<unk>' },
      Unigram: { type: 'Unigram', unk_id: 0, vocab: Object.keys(merged).map((text, id) => [text, -id]) },
      WordPiece: {
        type: 'WordPiece', vocab: { ...merged, '##a': 14, '##aa': 15 }, unk_token: '<unk>',
        continuing_subword_prefix: '##', max_input_chars_per_word: 1e9,
      },
      WordLevel: { type: 'WordLevel', vocab: merged, unk_token: '<unk>' },
    };
    test.each(Object.entries(models))('%s takes a million characters in one word', (_type, model) => {
      const tokenizer = jsonTokenizer({ name: 'm', tokenizer: JSON.stringify({ model }) });
      for (const text of [
        'a'.repeat(1e6), 'ab'.repeat(5e5), '\u{1f600}'.repeat(5e5),
      ]) expect(tokenizer.encode(text).length).toBeGreaterThan(0);
    });

    test.each(['normalizer', 'pre_tokenizer', 'decoder', 'post_processor'] as const)('%s nested a hundred thousand deep', (key) => {
      const list = { normalizer: 'normalizers', pre_tokenizer: 'pretokenizers', decoder: 'decoders', post_processor: 'processors' }[key];
      const deep = `{"type":"Sequence","${list}":[`.repeat(1e5) + ']}'.repeat(1e5);
      expect(() => jsonTokenizer({
        name: 'm', tokenizer: `{"model":${JSON.stringify(models.WordLevel)},"${key}":${deep}}`,
      })).toThrow(/nested deeper than 50/);
    });

    test('a pattern without end, a token without end, a padding without end', () => {
      const slow = { type: 'Split', pattern: { Regex: '(a+)+b' }, behavior: 'Isolated', invert: false };
      expect(() => jsonTokenizer({
        name: 'm', tokenizer: JSON.stringify({ model: models.BPE, pre_tokenizer: slow }),
      }).encode('a'.repeat(5000))).toThrow(InputError);
      const long = { ...added[0]!, id: 14, content: 'a'.repeat(1e5) };
      expect(() => jsonTokenizer({
        name: 'm', tokenizer: JSON.stringify({ model: models.BPE, added_tokens: [long] }),
      })).toThrow(/at most 4096 characters/);
      const padding = { strategy: { Fixed: 1e12 }, direction: 'Right', pad_id: 0, pad_type_id: 0, pad_token: 'a' };
      expect(() => jsonTokenizer({ name: 'm', tokenizer: JSON.stringify({ model: models.BPE, padding }) })).toThrow(/padding.strategy/);
    });

    test('an unknown character without an unknown token is an error of the text', () => {
      for (const model of [
        { ...models.Unigram, unk_id: null }, { ...models.WordLevel, unk_token: '?' }, { ...models.BPE, unk_token: '?' },
        { ...models.WordPiece, unk_token: '?' },
      ]) {
        expect(() => jsonTokenizer({ name: 'm', tokenizer: JSON.stringify({ model }) }).encode('Z')).toThrow(/no token for "Z"/);
      }
    });
  });

  const bad: readonly [string, string, RegExp][] = [
    ['not JSON', '{"model": ', /not valid JSON/],
    ['empty', '', /not valid JSON/],
    ['an array', '[]', /must be a JSON object/],
    ['no model', '{}', /expected an object "model"/],
    [
      'another kind of model', '{"model": {"type": "Tiktoken", "vocab": {}}}',
      /model.type: expected one of BPE, Unigram, WordPiece, WordLevel, found "Tiktoken"/,
    ],
    ['no vocabulary', '{"model": {"type": "BPE", "merges": []}}', /model.vocab: expected an object of tokens and ids, found nothing/],
    ['an id that is text', '{"model": {"type": "BPE", "vocab": {"a": "0"}, "merges": []}}', /the token "a" has the id "0"/],
    ['a huge id', '{"model": {"type": "BPE", "vocab": {"a": 4000000000}, "merges": []}}', /has the id 4000000000/],
    ['merges that are text', '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": "a b"}}', /model.merges: expected an array/],
    ['a merge of an unknown token', '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}', /model.merges\[0\] is "a b"/],
    [
      'added tokens that are text',
      '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": ["x"]}', /added_tokens\[0\]/,
    ],
    [
      'an unknown normaliser', JSON.stringify({ ...metaspace, normalizer: { type: 'Frobnicate' } }),
      /normalizer.type: expected one of BertNormalizer.* found "Frobnicate"/,
    ],
    ['an empty vocabulary', '{"model": {"type": "BPE", "vocab": {}, "merges": []}}', /vocabulary is empty/],
  ];
  test.each(bad)('%s', (_name, text, message) => {
    expect(() => jsonTokenizer({ name: 'm', tokenizer: text })).toThrow(FormatError);
    expect(() => jsonTokenizer({ name: 'm', tokenizer: text })).toThrow(message);
  });
});
