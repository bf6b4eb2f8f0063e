import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { vocabularyFile } from '../../test/vocabulary-file.ts';
import type { VocabularyFileOptions } from '../../test/vocabulary-file.ts';
import { openGguf } from '../files/gguf-reader.ts';
import { memoryFolder } from '../files/memory-source.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { bool, float32, int32s, string, strings, uint32 } from '../tensor/gguf-value.ts';
import { BYTE_CHARS } from '../tensor/byte-alphabet.ts';
import { ggufTokenizer } from './gguf-tokenizer.ts';
import type { Tokenizer } from './tokenizer.ts';

async function tokenizerOf(bytes: Uint8Array): Promise<Tokenizer> {
  return ggufTokenizer(await openGguf(memoryFolder(new Map([['v.gguf', bytes]]), 'test'), 'v.gguf'));
}

const real = ['qwen2', 'llama-bpe', 'llama-spm', 'gemma-4'];

describe.skipIf(!hasShared('vocab/qwen2.gguf'))('real vocabularies', () => {
  test.each(real)('%s gives the ids of llama.cpp and the text back', async (name) => {
    const path = `${sharedPath}/vocab/${name}`;
    const tokenizer = await tokenizerOf(new Uint8Array(readFileSync(`${path}.gguf`)));
    const texts = readFileSync(`${path}.inp`, 'utf8').split('\n__ggml_vocab_test__\n');
    const lines = readFileSync(`${path}.out`, 'utf8').split('\n');
    expect(texts.length).toBeGreaterThan(40);
    texts.forEach((text, index) => {
      const ids = tokenizer.encode(text);
      expect(ids, JSON.stringify(text)).toEqual(lines[index]!.trim().split(/\s+/).filter(Boolean).map(Number));
      expect(tokenizer.decode(ids)).toBe(text);
    });
  });

  test.each(real)('%s takes 200,000 characters without words', async (name) => {
    const tokenizer = await tokenizerOf(new Uint8Array(readFileSync(`${sharedPath}/vocab/${name}.gguf`)));
    for (const text of ['a'.repeat(2e5), `${' '.repeat(2e5)}x`, '<|'.repeat(1e5), '\n '.repeat(1e5)]) {
      expect(tokenizer.decode(tokenizer.encode(text, { parseSpecial: true }))).toBe(text);
    }
  }, 60_000);
});

/** Bytes, a few merges, and tokens of each kind. */
const types = { normal: 1, control: 3, userDefined: 4 };
const merges = ['h e', 'l l', 'he ll', 'hell o', 'Ġ w', 'ð Ł', 'ðŁ ĺ'];
const special = ['<|im_start|>', '<|im_end|>', '<think>', '<|endoftext|>', '<|im_start|>x'];
const tokens = [...BYTE_CHARS, ...merges.map((merge) => merge.replace(' ', '')), ...special];
const small: VocabularyFileOptions = {
  model: 'gpt2',
  pre: 'qwen2',
  tokens,
  merges,
  types: tokens.map((token) => (token === '<think>' ? types.userDefined : special.includes(token) ? types.control : types.normal)),
  more: {
    'tokenizer.ggml.eos_token_id': uint32(tokens.indexOf('<|endoftext|>')),
    'tokenizer.ggml.bos_token_id': uint32(tokens.indexOf('<|im_start|>')),
  },
};
const id = (token: string): number => tokens.indexOf(token);

describe('a small byte-level vocabulary', () => {
  test('merges by rank, and words do not reach over spaces', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile(small));
    expect(tokenizer.encode('hello world')).toEqual(['hello', 'Ġw', 'o', 'r', 'l', 'd'].map(id));
    expect(tokenizer.encode('')).toEqual([]);
  });

  test('control tokens are text unless asked for, user-defined ones are always tokens, the longest first', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile(small));
    const plain = tokenizer.encode('<think><|im_end|>');
    expect(plain[0]).toBe(id('<think>'));
    expect(plain).not.toContain(id('<|im_end|>'));
    expect(tokenizer.encode('<think><|im_end|>', { parseSpecial: true })).toEqual([id('<think>'), id('<|im_end|>')]);
    expect(tokenizer.encode('<|im_start|>x', { parseSpecial: true })).toEqual([id('<|im_start|>x')]);
    expect(tokenizer.decode(plain)).toBe('<think><|im_end|>');
    expect(tokenizer.decode([id('<|im_end|>'), id('<think>')], { skipSpecial: true })).toBe('<think>');
  });

  test('names its special and end tokens', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile(small));
    expect(tokenizer.special).toMatchObject({ bos: id('<|im_start|>'), eos: id('<|endoftext|>'), eot: id('<|im_end|>') });
    expect([...tokenizer.endIds].sort()).toEqual([id('<|im_end|>'), id('<|endoftext|>')].sort());
    expect(tokenizer.addBos).toBe(false);
    const withBos = await tokenizerOf(
      vocabularyFile({
        ...small,
        more: { ...small.more, 'tokenizer.ggml.add_bos_token': bool(true), 'tokenizer.ggml.add_eos_token': bool(true) },
      }),
    );
    expect(withBos.addBos).toBe(true);
    expect(withBos.encode('he', { addSpecial: true })).toEqual([id('<|im_start|>'), id('he'), id('<|endoftext|>')]);
  });

  test('a stream never splits a character', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile(small));
    const text = 'é😀👩‍🚀x';
    const stream = tokenizer.streamDecoder();
    const pieces = tokenizer.encode(text).map((each) => stream.push(each));
    expect(pieces.join('') + stream.flush()).toBe(text);
    expect(pieces.filter((piece) => piece.includes('\ufffd'))).toEqual([]);
    expect(pieces.length).toBeGreaterThan(Array.from(text).length);
    stream.push(id('ðŁ'));
    expect(stream.flush()).toBe('\ufffd');
    expect(stream.push(id('h'))).toBe('h');
    expect(stream.push(id(BYTE_CHARS[0xff]!)) + stream.push(id('h'))).toBe('\ufffdh');
  });

  test('lone surrogates count as U+FFFD', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile(small));
    expect(tokenizer.encode('\ud800h')).toEqual(tokenizer.encode('\ufffdh'));
  });

  test('ids outside the vocabulary are refused', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile(small));
    for (const bad of [-1, tokens.length, 0.5, Number.NaN]) {
      expect(() => tokenizer.decode([bad])).toThrow(InputError);
      expect(() => tokenizer.streamDecoder().push(bad)).toThrow(InputError);
      expect(() => tokenizer.tokenText(bad)).toThrow(InputError);
    }
  });

  test('no normaliser: a GGUF follows llama.cpp', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile(small));
    expect(tokenizer.decode(tokenizer.encode('e\u0301'))).toBe('e\u0301');
  });
});

const bad: readonly [string, VocabularyFileOptions, RegExp][] = [
  ['no merges', { ...small, merges: undefined }, /merges is missing/],
  ['a merge of an unknown token', { ...small, merges: [...merges, 'zz top'] }, /merge 7 is "zz top"/],
  ['a merge without a space', { ...small, merges: ['hello'] }, /merge 0 is "hello"/],
  ['a merge into no token', { ...small, merges: ['a b'] }, /merge 0/],
  ['an empty merge', { ...small, merges: [''] }, /merge 0/],
  ['the same token twice', { ...small, tokens: [...tokens, 'hello'], types: undefined }, /"hello" at \d+ and again at \d+/],
  ['no tokens', { ...small, tokens: [], types: [] }, /tokens is empty/],
  ['an unknown pre', { ...small, pre: 'nobody-knows' }, /pre is "nobody-knows".*expected one of default/],
  ['an unknown model', { ...small, model: 'bert' }, /model is "bert"; expected one of gpt2/],
  ['too few types', { ...small, types: [1, 1] }, /token_type should be \d+ numbers/],
  ['types that are text', { ...small, more: { 'tokenizer.ggml.token_type': strings(tokens) } }, /token_type should be an array of numbers/],
  ['tokens that are numbers', { ...small, more: { 'tokenizer.ggml.tokens': int32s([1]) } }, /tokens should be an array of strings/],
  ['merges that are one string', { ...small, more: { 'tokenizer.ggml.merges': string('a b') } }, /merges should be an array of strings/],
  ['a bos that is text', { ...small, more: { 'tokenizer.ggml.bos_token_id': string('<s>') } }, /bos_token_id should be a token id/],
  ['add_bos that is a number', { ...small, more: { 'tokenizer.ggml.add_bos_token': float32(1) } }, /add_bos_token should be true or false/],
  ['tokens that are not UTF-8', { ...small, tokens: [...tokens, 'ab\ufffd'], types: undefined }, /not UTF-8/],
  ['SentencePiece without scores', { model: 'llama', tokens: ['<unk>', 'a'] }, /scores is missing/],
  ['SentencePiece with too few scores', { model: 'llama', tokens: ['<unk>', 'a'], scores: [0] }, /scores should be 2 numbers/],
  ['scores that are NaN', { model: 'llama', tokens: ['<unk>', 'a'], scores: [0, Number.NaN] }, /scores holds NaN at 1/],
];

describe('damaged vocabularies say what is wrong', () => {
  test.each(bad)('%s', async (_name, options, message) => {
    const failure = tokenizerOf(vocabularyFile(options));
    await expect(failure).rejects.toThrow(FormatError);
    await expect(failure).rejects.toThrow(message);
  });

  test('special ids outside the vocabulary count as absent', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile({ ...small, more: { 'tokenizer.ggml.eos_token_id': uint32(999_999) } }));
    expect(tokenizer.special.eos).toBeUndefined();
  });
});

describe('a small SentencePiece vocabulary', () => {
  const pieces = [
    '<unk>',
    '<s>',
    '</s>',
    ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
    '▁',
    'a',
    'b',
    '▁a',
    'ab',
    '▁ab',
  ];
  const spm: VocabularyFileOptions = {
    model: 'llama',
    tokens: pieces,
    scores: pieces.map((_, index) => -index),
    types: pieces.map((_, index) => (index === 0 ? 2 : index < 3 ? 3 : index < 259 ? 6 : 1)),
  };

  test('puts a space first, merges the best score first and falls back to bytes', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile(spm));
    expect(tokenizer.encode('ab aab').map((each) => pieces[each])).toEqual(['▁ab', '▁a', 'ab']);
    expect(tokenizer.encode('é').map((each) => pieces[each])).toEqual(['▁', '<0xC3>', '<0xA9>']);
    expect(tokenizer.decode(tokenizer.encode(' é ab'))).toBe(' é ab');
    expect(tokenizer.encode('a', { addSpecial: true })[0]).toBe(1);
  });

  test('a stream keeps the space that begins an answer, a whole text drops it', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile(spm));
    expect(tokenizer.streamDecoder().push(pieces.indexOf('▁a'))).toBe(' a');
    expect(tokenizer.streamDecoder({ atStart: true }).push(pieces.indexOf('▁a'))).toBe('a');
  });

  test('a control token that is shown begins the text: the space behind it stays', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile(spm));
    const ids = [1, pieces.indexOf('▁a')];
    expect(tokenizer.decode(ids)).toBe('<s> a');
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe('a');
  });

  test('letters never merge into a control token', async () => {
    const more = [...pieces, '<', 's', '>', '<s'];
    const tokenizer = await tokenizerOf(
      vocabularyFile({ ...spm, tokens: more, scores: more.map(() => 0), types: more.map((_, index) => spm.types![index] ?? 1) }),
    );
    expect(tokenizer.encode('a<s>').map((each) => more[each])).toEqual(['▁a', '<s', '>']);
    expect(tokenizer.encode('a<s>', { parseSpecial: true }).map((each) => more[each])).toEqual(['▁a', '<s>']);
  });

  test('add_space_prefix false leaves it out', async () => {
    const tokenizer = await tokenizerOf(vocabularyFile({ ...spm, more: { 'tokenizer.ggml.add_space_prefix': bool(false) } }));
    expect(tokenizer.encode('ab').map((each) => pieces[each])).toEqual(['ab']);
  });
});
