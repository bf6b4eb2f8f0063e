import { describe, expect, test } from 'vitest';
import { InputError } from '../../tensor/errors.ts';
import { parseModelId, printModelId } from './model-id.ts';
import { SHORT_NAMES } from './short-names.ts';

describe('parseModelId', () => {
  test.each([
    ['Qwen/Qwen3-4B-GGUF', { repository: 'Qwen/Qwen3-4B-GGUF', quantization: undefined, revision: 'main' }],
    ['Qwen/Qwen3-4B-GGUF:Q8_0', { repository: 'Qwen/Qwen3-4B-GGUF', quantization: 'Q8_0', revision: 'main' }],
    ['a/b@v1.0', { repository: 'a/b', quantization: undefined, revision: 'v1.0' }],
    ['a/b:q4_k_m@refs/pr/3', { repository: 'a/b', quantization: 'q4_k_m', revision: 'refs/pr/3' }],
    ['hf:a/b', { repository: 'a/b', quantization: undefined, revision: 'main' }],
  ])('%s', (text, id) => expect(parseModelId(text)).toEqual(id));

  test('short names, with a type after them, in any case', () => {
    expect(parseModelId('qwen3:4b')).toEqual({
      repository: 'Qwen/Qwen3-4B-GGUF',
      shortName: 'qwen3:4b',
      revision: 'main',
      quantization: undefined,
    });
    expect(parseModelId('Qwen3:4B:Q8_0@main')).toMatchObject({ repository: 'Qwen/Qwen3-4B-GGUF', quantization: 'Q8_0' });
  });

  test.each([
    'model.gguf',
    'folder/model.gguf',
    './a/b',
    '../b',
    '/a/b',
    '~/a',
    'a\\b',
    'a/b/c',
    'a//b',
    'a/..',
    'a/b--c',
    'a',
    '',
    ' a/b',
    'a/b c',
    'a/b:',
    'a/b@',
    'a/b@../x',
    'qwen3:',
    `a/${'b'.repeat(97)}`,
    'What is 1/2?',
  ])('%s is a path', (text) => expect(parseModelId(text)).toBeUndefined());

  test('what follows hf: has to be an id', () => {
    expect(() => parseModelId('hf:qwen3')).toThrow(InputError);
    expect(() => parseModelId('hf:qwen3:4')).toThrow(/Did you mean qwen3:4b\?/);
  });

  test('every short name means an id, which prints as it is written', () => {
    for (const [name, id] of Object.entries(SHORT_NAMES)) expect(printModelId(parseModelId(name)!)).toBe(id);
  });
});
