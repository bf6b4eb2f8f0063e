import { describe, expect, test } from 'vitest';
import { preTokenizerKind } from './pre-tokenizer-kind.ts';

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
const withPattern = (...patterns: string[]) => ({
  type: 'Sequence',
  pretokenizers: [...patterns.map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false })), byteLevel],
});

// As published tokenizer.json files have them.
const llama3 =
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+` +
  String.raw`|\s+(?!\S)|\s+`;
const qwen2 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const qwen35 =
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*` +
  String.raw`|\s*[\r\n]+|\s+(?!\S)|\s+`;
const o200k =
  String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
  String.raw`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll` +
  String.raw`|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const tekken =
  String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+` +
  String.raw`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}` +
  String.raw`| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

describe('preTokenizerKind', () => {
  test.each([
    ['llama-bpe', withPattern(llama3)],
    ['qwen2', withPattern(qwen2)],
    ['qwen35', withPattern(qwen35)],
    ['gpt-4o', withPattern(o200k)],
    ['tekken', withPattern(tekken)],
    ['gpt-2', { ...byteLevel, use_regex: true }],
    ['gpt-2', { type: 'ByteLevel', add_prefix_space: false }],
    ['smollm', { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, { ...byteLevel, use_regex: true }] }],
    ['deepseek-coder', withPattern('[\r\n]', String.raw`\s?\p{L}+`, String.raw`\s?\p{P}+`, '[一-龥ࠀ-一가-퟿]+', String.raw`\p{N}`)],
    ['llama-bpe', withPattern(llama3.replaceAll(String.raw`\r`, '\r').replaceAll(String.raw`\n`, '\n'))],
  ])('%s', (kind, preTokenizer) => {
    expect(preTokenizerKind(preTokenizer)).toBe(kind);
  });

  test.each([
    ['another pattern', withPattern(qwen2.replace('{L}', '{Lu}'))],
    ['a pattern and no bytes', { type: 'Split', pattern: { Regex: qwen2 } }],
    ['SentencePiece', { type: 'Metaspace', replacement: '▁' }],
    ['nothing of the kind', { type: 'Sequence', pretokenizers: 'x' }],
  ])('%s is not known', (_, preTokenizer) => {
    expect(preTokenizerKind(preTokenizer)).toBeUndefined();
  });
});
