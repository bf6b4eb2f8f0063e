import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixturesPath, hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { vocabularyFile } from '../../test/vocabulary-file.ts';
import { memoryFolder, memorySource } from '../files/memory-source.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { BYTE_CHARS } from '../tensor/byte-alphabet.ts';
import { directorySource, fileSource } from './file-source.ts';
import { loadTokenizer } from './load-tokenizer.ts';

const ember = `${fixturesPath}ember`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-load-tokenizer-'));
  writeFileSync(join(folder, 'vocabulary.gguf'), vocabularyFile({ model: 'gpt2', pre: 'gpt-2', tokens: BYTE_CHARS, merges: [] }));
  mkdirSync(join(folder, 'empty'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('loadTokenizer takes', () => {
  test('a folder, a tokenizer.json and their sources', async () => {
    const bytes = new Uint8Array(readFileSync(`${ember}/tokenizer.json`));
    const file = await fileSource(`${ember}/tokenizer.json`);
    const places = [
      ember,
      `${ember}/tokenizer.json`,
      directorySource(ember),
      file,
      memorySource(bytes, 'm'),
      memoryFolder(new Map([['tokenizer.json', bytes]]), 'm'),
    ];
    for (const place of places) {
      const tokenizer = await loadTokenizer(place);
      expect(tokenizer.vocabSize).toBe(4096);
      expect(tokenizer.decode(tokenizer.encode('Hello, Ash!'))).toBe('Hello, Ash!');
    }
    await file.close();
    expect((await loadTokenizer(ember)).special.eos).toBe(4082);
  });

  test('a GGUF file with a vocabulary alone, and its sources', async () => {
    const path = join(folder, 'vocabulary.gguf');
    const bytes = new Uint8Array(readFileSync(path));
    for (const place of [path, folder, memorySource(bytes, 'm')]) {
      const tokenizer = await loadTokenizer(place);
      expect(tokenizer.encode('He')).toEqual(BYTE_CHARS.flatMap((char, id) => (char === 'H' || char === 'e' ? [id] : [])));
    }
  });

  test.skipIf(!hasShared('vocab/qwen2.gguf'))('a real vocabulary of 150,000 tokens', async () => {
    const tokenizer = await loadTokenizer(`${sharedPath}/vocab/qwen2.gguf`);
    expect(tokenizer.vocabSize).toBe(151_936);
  });

  test('nothing else', async () => {
    await expect(loadTokenizer(join(folder, 'nowhere'))).rejects.toThrow(InputError);
    await expect(loadTokenizer(join(folder, 'empty'))).rejects.toThrow(FormatError);
    await expect(loadTokenizer(memorySource(new Uint8Array(0), 'nothing'))).rejects.toThrow(FormatError);
    await expect(loadTokenizer(memorySource(Uint8Array.of(0xff, 0xfe, 1, 2, 3), 'noise'))).rejects.toThrow(/not valid UTF-8/);
    await expect(loadTokenizer(`${fixturesPath}golden/llama`)).rejects.toThrow(/holds no tokenizer/);
  });
});
