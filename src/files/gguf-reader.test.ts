import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { badGgufFiles, lyingArray } from '../../test/bad-model-files.ts';
import { array, ggufBytes, smallGguf, text, u16, u32 } from '../../test/model-bytes.ts';
import type { GgufSpec, GgufTensor } from '../../test/model-bytes.ts';
import { directorySource } from '../node/file-source.ts';
import { FormatError } from '../tensor/errors.ts';
import type { ByteSource, SourceFolder } from '../tensor/byte-source.ts';
import { openGguf, parseSplitName, splitFileName } from './gguf-reader.ts';
import { memoryFolder, memorySource } from './memory-source.ts';

function openBytes(bytes: Uint8Array) {
  return openGguf(memoryFolder(new Map([['m.gguf', bytes]]), 'memory'), 'm.gguf');
}
const openSpec = (spec: GgufSpec) => openBytes(ggufBytes(spec));

/** Expects a FormatError whose message matches every pattern. */
async function expectFormatError(opening: Promise<unknown>, ...patterns: RegExp[]): Promise<void> {
  const error = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FormatError);
  for (const pattern of patterns) expect((error as Error).message).toMatch(pattern);
}

const arch = ['general.architecture', text('llama')] as const;
const f32Tensor = (name: string, offset: number | bigint, dims: readonly (number | bigint)[] = [8]): GgufTensor => ({
  name,
  dims,
  typeId: 0,
  offset,
});

describe('GGUF metadata', () => {
  test('every value type keeps its exact value', async () => {
    const { metadata } = await openSpec({
      metadata: [
        arch,
        ['u8', { type: 'u8', value: 255 }],
        ['i8', { type: 'i8', value: -128 }],
        ['u16', u16(65535)],
        ['i16', { type: 'i16', value: -32768 }],
        ['u32', u32(4294967295)],
        ['i32', { type: 'i32', value: -2147483648 }],
        ['f32', { type: 'f32', value: 0.1 }],
        ['f64', { type: 'f64', value: 0.1 }],
        ['bool', { type: 'bool', value: true }],
        ['u64', { type: 'u64', value: 2n ** 64n - 1n }],
        ['u64 small', { type: 'u64', value: 7 }],
        ['i64', { type: 'i64', value: -(2n ** 63n) }],
        ['text', text('\uFEFFzwölf 🦊\0')],
        ['empty', text('')],
      ],
    });
    expect([...metadata.values()]).toEqual([
      'llama',
      255,
      -128,
      65535,
      -32768,
      4294967295,
      -2147483648,
      Math.fround(0.1),
      0.1,
      true,
      2n ** 64n - 1n,
      7,
      -(2n ** 63n),
      '\uFEFFzwölf 🦊\0',
      '',
    ]);
  });

  test('arrays of every type, nested ones too', async () => {
    const { metadata } = await openSpec({
      metadata: [
        arch,
        ['u8', array('u8', [0, 255])],
        ['i8', array('i8', [-1])],
        ['u16', array('u16', [65535])],
        ['i16', array('i16', [-2])],
        ['u32', array('u32', [1, 4294967295])],
        ['i32', array('i32', [-5])],
        ['f32', array('f32', [0.5, Infinity])],
        ['f64', array('f64', [0.1])],
        ['bool', array('bool', [true, false])],
        ['u64', array('u64', [1, 2n ** 63n])],
        ['i64', array('i64', [-1, 2])],
        ['none', array('string', [])],
        ['nested', array('array', [array('i32', [1]), array('array', [array('string', ['x', ''])])])],
      ],
    });
    expect(Object.fromEntries(metadata)).toEqual({
      'general.architecture': 'llama',
      u8: new Uint8Array([0, 255]),
      i8: new Int8Array([-1]),
      u16: new Uint16Array([65535]),
      i16: new Int16Array([-2]),
      u32: new Uint32Array([1, 4294967295]),
      i32: new Int32Array([-5]),
      f32: new Float32Array([0.5, Infinity]),
      f64: new Float64Array([0.1]),
      bool: [true, false],
      u64: [1n, 2n ** 63n],
      i64: new Float64Array([-1, 2]),
      none: [],
      nested: [new Int32Array([1]), [['x', '']]],
    });
  });

  test('strings of all lengths across every window edge', async () => {
    // Long enough for several windows, with lengths on both sides of what a batch takes.
    const tokens = Array.from({ length: 30_000 }, (_, index) => ['a', 'ü', '▁', '🦊'][index % 4]!.repeat(index % 150));
    const { metadata } = await openSpec({ metadata: [arch, ['tokens', array('string', tokens)], ['after', u32(5)]] });
    expect(metadata.get('tokens')).toEqual(tokens);
    expect(metadata.get('after')).toBe(5);
  });

  test('invalid UTF-8 in a value becomes U+FFFD and leaves its neighbours alone', async () => {
    const bad = [
      new Uint8Array([0xff]),
      new Uint8Array([0x61, 0xe2, 0x96]),
      new Uint8Array([0xc0, 0x80]),
      new Uint8Array([0xed, 0xa0, 0x80]),
    ];
    const { metadata } = await openSpec({ metadata: [arch, ['tokens', array('string', ['ok', ...bad, '▁fine'])], ['one', text(bad[0]!)]] });
    expect(metadata.get('tokens')).toEqual(['ok', ...bad.map((bytes) => new TextDecoder().decode(bytes)), '▁fine']);
    expect(metadata.get('one')).toBe('\uFFFD');
  });

  test('a large array of numbers is read past the window', async () => {
    const scores = Array.from({ length: 100_000 }, (_, index) => -index);
    const { metadata } = await openSpec({ metadata: [arch, ['scores', array('f32', scores)], ['after', text('x')]] });
    expect(metadata.get('scores')).toEqual(new Float32Array(scores));
    expect(metadata.get('after')).toBe('x');
  });
});

describe('GGUF tensors', () => {
  test('shapes are outermost first, bytes are those of the file', async () => {
    const bytes = smallGguf();
    const checkpoint = await openBytes(bytes);
    expect([...checkpoint.tensors.values()].map(({ name, type, shape, sizeBytes }) => ({ name, type, shape, sizeBytes }))).toEqual([
      { name: 'token_embd.weight', type: 'q8_0', shape: [6, 32], sizeBytes: 204 },
      { name: 'output_norm.weight', type: 'f32', shape: [32], sizeBytes: 128 },
      { name: 'blk.0.attn_q.weight', type: 'f16', shape: [2, 32], sizeBytes: 128 },
    ]);
    const norm = checkpoint.tensors.get('output_norm.weight')!;
    expect(norm.fileOffset).toBe(bytes.length - 512 + 256);
    const into = new Uint8Array(new SharedArrayBuffer(8));
    await norm.read(4, into);
    expect([...into]).toEqual([...bytes.subarray(norm.fileOffset + 4, norm.fileOffset + 12)]);
    await expect(norm.read(124, into)).rejects.toThrow(/128 bytes; 8 bytes from 124/);
    await expect(norm.read(-1, into)).rejects.toThrow(RangeError);
    expect(checkpoint).toMatchObject({ format: 'gguf', architecture: 'llama', sizeBytes: bytes.length, config: undefined });
  });

  test('a vocabulary alone opens', async () => {
    const checkpoint = await openSpec({ metadata: [arch, ['tokenizer.ggml.tokens', array('string', ['a'])]] });
    expect(checkpoint.tensors.size).toBe(0);
  });

  test('a header that ends with the file, unpadded, opens', async () => {
    expect((await openSpec({ alignment: 1 })).architecture).toBe('llama');
  });
});

describe('damaged GGUF files', () => {
  test.each(badGgufFiles)('$name', async ({ bytes, pattern }) => {
    await expectFormatError(openBytes(bytes), pattern);
  });

  test('every truncation is a FormatError', async () => {
    const bytes = smallGguf();
    for (let length = 0; length < bytes.length; length++) {
      await expectFormatError(openBytes(bytes.subarray(0, length)), /damaged or incomplete/);
    }
  });

  test('a file of 1 TB that lies costs no more than its header', async () => {
    for (const count of [2 ** 39, 2 ** 32]) {
      const head = lyingArray('u8', count);
      let bytesRead = 0;
      const huge: ByteSource = {
        name: 'huge',
        sizeBytes: 2 ** 40,
        async read(offset, into) {
          bytesRead += into.length;
          into.set(head.subarray(offset, offset + into.length));
        },
        async close() {},
      };
      const folder: SourceFolder = { name: 'huge', open: async () => huge };
      await expectFormatError(openGguf(folder, 'm.gguf'), /header may take at most/);
      expect(bytesRead).toBeLessThan(1 << 20);
    }
  });

  test('a read that is aborted rejects with the reason', async () => {
    const reason = new Error('enough');
    const opening = openGguf(memoryFolder(new Map([['m.gguf', smallGguf()]]), 'memory'), 'm.gguf', { signal: AbortSignal.abort(reason) });
    await expect(opening).rejects.toBe(reason);
  });
});

function part(no: number, count: number, tensors: readonly string[], total: number): Uint8Array {
  const split = [['split.no', u16(no)], ['split.count', u16(count)], ['split.tensors.count', { type: 'i32', value: total }]] as const;
  return ggufBytes({
    metadata: no === 0 ? [arch, ...split] : split,
    tensors: tensors.map((name, index) => f32Tensor(name, index * 32)),
    data: new Uint8Array(tensors.length * 32).fill(no + 1),
  });
}

describe('split GGUF models', () => {
  const files = (changes: Record<string, Uint8Array | undefined> = {}) => {
    const all = {
      'm-00001-of-00003.gguf': part(0, 3, ['a', 'b'], 4),
      'm-00002-of-00003.gguf': part(1, 3, ['c'], 4),
      'm-00003-of-00003.gguf': part(2, 3, ['d'], 4),
      ...changes,
    };
    return new Map(Object.entries(all).filter((entry): entry is [string, Uint8Array] => entry[1] !== undefined));
  };

  test('names', () => {
    expect(parseSplitName('x-y-00002-of-00010.gguf')).toEqual({ prefix: 'x-y', part: 2, count: 10 });
    expect(parseSplitName('x.gguf')).toBeUndefined();
    expect(splitFileName('x', 2, 10)).toBe('x-00002-of-00010.gguf');
  });

  test.each([1, 2, 3])('opens from part %i', async (opened) => {
    const checkpoint = await openGguf(memoryFolder(files(), 'memory'), splitFileName('m', opened, 3));
    expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b', 'c', 'd']);
    expect(checkpoint.architecture).toBe('llama');
    const into = new Uint8Array(1);
    await checkpoint.tensors.get('d')!.read(31, into);
    expect(into[0]).toBe(3);
    expect(checkpoint.tensors.get('d')!.fileName).toBe('m-00003-of-00003.gguf');
    expect(checkpoint.sizeBytes).toBe([...files().values()].reduce((sum, bytes) => sum + bytes.length, 0));
  });

  test.each<[string, Record<string, Uint8Array | undefined>, RegExp]>([
    ['a missing part', { 'm-00002-of-00003.gguf': undefined }, /no file "m-00002-of-00003.gguf"/],
    ['a missing first part', { 'm-00001-of-00003.gguf': undefined }, /no file "m-00001-of-00003.gguf"/],
    ['parts in the wrong order', { 'm-00002-of-00003.gguf': part(2, 3, ['c'], 4) }, /should be part 1 of 3.*found part 2 of 3/],
    ['a part of another split', { 'm-00003-of-00003.gguf': part(2, 4, ['d'], 4) }, /found part 2 of 4/],
    ['a part without split keys', { 'm-00003-of-00003.gguf': ggufBytes({}) }, /found part unknown/],
    ['a count that differs from the name', { 'm-00001-of-00003.gguf': part(0, 2, ['a'], 4) }, /name says 3 parts.*says 2/],
    ['too few tensors', { 'm-00003-of-00003.gguf': part(2, 3, [], 4) }, /hold 3 tensors, but split.tensors.count is 4/],
    ['a tensor in two parts', { 'm-00003-of-00003.gguf': part(2, 3, ['a'], 4) }, /"a" is already in m-00001-of-00003.gguf/],
  ])('%s', async (_, changes, pattern) => {
    await expectFormatError(openGguf(memoryFolder(files(changes), 'memory'), 'm-00001-of-00003.gguf'), pattern);
  });

  test('a part under another name', async () => {
    await expectFormatError(openBytes(part(0, 3, ['a'], 4)), /one of 3 parts/);
  });

  test('a failure closes all that was opened', async () => {
    let open = 0;
    const all = files({ 'm-00003-of-00003.gguf': undefined });
    const folder: SourceFolder = {
      name: 'counting',
      async open(fileName) {
        const bytes = all.get(fileName);
        if (!bytes) return undefined;
        open++;
        return { ...memorySource(bytes, fileName), close: async () => void open-- };
      },
    };
    await expectFormatError(openGguf(folder, 'm-00001-of-00003.gguf'), /00003/);
    expect(open).toBe(0);
  });
});

const vocabularies = [
  { file: 'gemma-4', tokens: 262_144, architecture: 'gemma4' },
  { file: 'llama-bpe', tokens: 128_256, architecture: 'llama' },
  { file: 'qwen2', tokens: 151_936, architecture: 'qwen2' },
  { file: 'llama-spm', tokens: 32_000, architecture: 'llama' },
];

describe.each(vocabularies)('vocabulary $file', ({ file, tokens, architecture }) => {
  const path = `${sharedPath}/vocab/${file}.gguf`;
  const present = hasShared(`vocab/${file}.gguf`);

  test.skipIf(!present)('has its tokens, each decoded as a decoder by itself would', async () => {
    const checkpoint = await openGguf(directorySource(`${sharedPath}/vocab`), `${file}.gguf`);
    expect(checkpoint.architecture).toBe(architecture);
    const strings = checkpoint.metadata.get('tokenizer.ggml.tokens') as string[];
    expect(strings).toHaveLength(tokens);
    // The array lies in the file as lengths and bytes: the plain walk below is what the batches must equal.
    const bytes = readFileSync(path);
    let at = bytes.indexOf('tokenizer.ggml.tokens') + 'tokenizer.ggml.tokens'.length + 16;
    let different = 0;
    for (const string of strings) {
      const length = Number(bytes.readBigUInt64LE(at));
      if (bytes.toString('utf8', at + 8, at + 8 + length) !== string) different++;
      at += 8 + length;
    }
    expect(different).toBe(0);
    await checkpoint.close();
  });
});
