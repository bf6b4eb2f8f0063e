import { describe, expect, test } from 'vitest';
import { badSafetensorsFiles } from '../../test/bad-model-files.ts';
import { fixturesPath, hasShared, readFixtureTensors, sharedPath } from '../../test/fixture-tensors.ts';
import { safetensorsBytes, smallSafetensors, utf8 } from '../../test/model-bytes.ts';
import { directorySource, fileSource } from '../node/file-source.ts';
import { FormatError } from '../tensor/errors.ts';
import { memoryFolder, memorySource } from './memory-source.ts';
import { openHfFolder } from './hf-folder.ts';
import { readSafetensors } from './safetensors-reader.ts';

const readBytes = (bytes: Uint8Array) => readSafetensors(memorySource(bytes, 'memory'), 'm.safetensors');

async function expectFormatError(opening: Promise<unknown>, pattern: RegExp): Promise<void> {
  const error = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FormatError);
  expect((error as Error).message).toMatch(pattern);
}

const tensor = (begin: number, end: number) => ({ dtype: 'F32', shape: [(end - begin) / 4], data_offsets: [begin, end] });

describe('safetensors', () => {
  test('names, types, shapes and bytes', async () => {
    const bytes = smallSafetensors();
    const tensors = await readBytes(bytes);
    expect([...tensors.values()].map(({ name, type, shape, sizeBytes }) => [name, type, shape, sizeBytes])).toEqual([
      ['model.norm.weight', 'f32', [8], 32],
      ['model.embed_tokens.weight', 'bf16', [4, 8], 64],
      ['lm_head.weight', 'i8', [4, 4], 16],
    ]);
    const into = new Uint8Array(3);
    await tensors.get('lm_head.weight')!.read(13, into);
    expect([...into]).toEqual([109, 110, 111]);
  });

  test.each(
    Object.entries({
      F64: 8,
      F32: 4,
      F16: 2,
      BF16: 2,
      F8_E4M3: 1,
      F8_E5M2: 1,
      I64: 8,
      I32: 4,
      I16: 2,
      I8: 1,
      U64: 8,
      U32: 4,
      U16: 2,
      U8: 1,
      BOOL: 1,
    }),
  )('%s takes %i bytes', async (dtype, size) => {
    const bytes = safetensorsBytes({ t: { dtype, shape: [2, 3], data_offsets: [0, 6 * size] } }, new Uint8Array(6 * size));
    expect((await readBytes(bytes)).get('t')).toMatchObject({ type: dtype.toLowerCase(), sizeBytes: 6 * size });
  });

  test('scalars, empty tensors, header padding and odd names', async () => {
    const header = JSON.stringify({
      scalar: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
      none: { dtype: 'F32', shape: [0, 5], data_offsets: [4, 4] },
      ['__proto__x']: { dtype: 'U8', shape: [4], data_offsets: [4, 8] },
    }).replace('__proto__x', '__proto__');
    const tensors = await readBytes(safetensorsBytes(header + '   ', new Uint8Array(8)));
    expect([...tensors.keys()]).toEqual(['scalar', 'none', '__proto__']);
  });

  test('a file without tensors opens', async () => {
    expect((await readBytes(safetensorsBytes({}, new Uint8Array(0)))).size).toBe(0);
  });

  test.each(badSafetensorsFiles)('$name', async ({ bytes, pattern }) => {
    await expectFormatError(readBytes(bytes), pattern);
  });

  test('every truncation is a FormatError', async () => {
    const bytes = smallSafetensors();
    for (let length = 0; length < bytes.length; length++) await expectFormatError(readBytes(bytes.subarray(0, length)), /./);
  });
});

const index = (map: unknown) => utf8({ metadata: {}, weight_map: map });

describe('sharded safetensors', () => {
  const shard = (name: string, value: number) => safetensorsBytes({ [name]: tensor(0, 8) }, new Uint8Array(8).fill(value));
  const sound: Record<string, Uint8Array> = {
    'config.json': utf8({ model_type: 'llama' }),
    'model.safetensors.index.json': index({ a: 'x-00001-of-00002.safetensors', b: 'x-00002-of-00002.safetensors' }),
    'x-00001-of-00002.safetensors': shard('a', 1),
    'x-00002-of-00002.safetensors': shard('b', 2),
  };
  const withStray = (name: string, value: number) =>
    safetensorsBytes({ [name]: tensor(0, 8), stray: tensor(8, 16) }, new Uint8Array(16).fill(value));
  const folder = (changes: Record<string, Uint8Array> = {}, without = '') =>
    memoryFolder(new Map(Object.entries({ ...sound, ...changes }).filter(([name]) => name !== without)), 'memory');

  test('reads each tensor from its shard', async () => {
    const { tensors, sizeBytes } = await openHfFolder(folder());
    const into = new Uint8Array(8);
    await tensors.get('b')!.read(0, into);
    expect(into).toEqual(new Uint8Array(8).fill(2));
    expect(tensors.get('b')!.fileName).toBe('x-00002-of-00002.safetensors');
    expect(sizeBytes).toBe(shard('a', 1).length * 2);
  });

  test.each<[string, Record<string, Uint8Array>, RegExp]>([
    [
      'a tensor that no shard holds',
      {
        'model.safetensors.index.json': index({
          a: 'x-00001-of-00002.safetensors',
          b: 'x-00002-of-00002.safetensors',
          c: 'x-00001-of-00002.safetensors',
        }),
      },
      /index.json puts the tensor "c" in "x-00001-of-00002.safetensors", which does not hold it\. The files do not belong together/,
    ],
    [
      'a tensor in the wrong shard',
      {
        'x-00002-of-00002.safetensors': shard('c', 2),
        'model.safetensors.index.json': index({
          a: 'x-00001-of-00002.safetensors',
          c: 'x-00001-of-00002.safetensors',
          d: 'x-00002-of-00002.safetensors',
        }),
      },
      /puts the tensor "c" in "x-00001-of-00002.safetensors", which does not hold it \("x-00002-of-00002.safetensors" does\)/,
    ],
    [
      'a tensor in two shards that the index does not list',
      { 'x-00001-of-00002.safetensors': withStray('a', 1), 'x-00002-of-00002.safetensors': withStray('b', 2) },
      new RegExp(
        '"x-00001-of-00002.safetensors" and "x-00002-of-00002.safetensors" both hold the tensor "stray", ' +
          'which memory.model.safetensors.index.json does not list',
      ),
    ],
    [
      'a path upwards',
      { 'model.safetensors.index.json': index({ a: '../x-00001-of-00002.safetensors' }) },
      /"\.\.\/x-00001-of-00002.safetensors" is not the plain name/,
    ],
    ['an absolute path', { 'model.safetensors.index.json': index({ a: '/etc/passwd' }) }, /refused/],
    ['a Windows path', { 'model.safetensors.index.json': index({ a: '..\\x' }) }, /refused/],
    ['a drive', { 'model.safetensors.index.json': index({ a: 'C:x' }) }, /refused/],
    ['the parent', { 'model.safetensors.index.json': index({ a: '..' }) }, /refused/],
    ['a number for a file', { 'model.safetensors.index.json': index({ a: 3 }) }, /file of tensor "a" must be a string/],
    ['no weight_map', { 'model.safetensors.index.json': utf8({}) }, /no object "weight_map"/],
    ['an index that is not JSON', { 'model.safetensors.index.json': utf8('{') }, /not valid JSON/],
  ])('%s', async (_, changes, pattern) => {
    await expectFormatError(openHfFolder(folder(changes)), pattern);
  });

  test('a tensor that the index does not list is there and marked', async () => {
    const { tensors, superseded } = await openHfFolder(folder({ 'x-00001-of-00002.safetensors': withStray('a', 1) }));
    expect([...tensors].map(([name, { fileName, unlistedIn }]) => [name, fileName, unlistedIn])).toEqual([
      ['a', 'x-00001-of-00002.safetensors', undefined],
      ['stray', 'x-00001-of-00002.safetensors', 'memory/model.safetensors.index.json'],
      ['b', 'x-00002-of-00002.safetensors', undefined],
    ]);
    expect(superseded).toEqual([]);
  });

  test.each([
    ['later', 'x-00001', 'x-00002'],
    ['earlier', 'x-00002', 'x-00001'],
  ])('the index decides between two copies, the %s shard being stale', async (_, right, stale) => {
    const files = {
      [`${right}-of-00002.safetensors`]: shard('a', 1),
      [`${stale}-of-00002.safetensors`]: safetensorsBytes({ a: tensor(0, 8), b: tensor(8, 16) }, new Uint8Array(16).fill(2)),
    };
    const map = { a: `${right}-of-00002.safetensors`, b: `${stale}-of-00002.safetensors` };
    const { tensors, superseded } = await openHfFolder(folder({ ...files, 'model.safetensors.index.json': index(map) }));
    const into = new Uint8Array(8);
    await tensors.get('a')!.read(0, into);
    expect(into).toEqual(new Uint8Array(8).fill(1));
    expect([...tensors.keys()].toSorted()).toEqual(['a', 'b']);
    expect(superseded).toEqual([
      { name: 'a', reason: `a copy in ${stale}-of-00002.safetensors; the index puts it in ${right}-of-00002.safetensors` },
    ]);
  });

  test('a missing shard', async () => {
    await expectFormatError(
      openHfFolder(folder({}, 'x-00002-of-00002.safetensors')),
      /names the file "x-00002-of-00002.safetensors", which is missing/,
    );
  });
});

const goldens = ['llama', 'llama_sharded', 'llama_bias', 'qwen3'];
test.each(goldens)('golden %s holds the bytes that a plain reader finds', async (name) => {
  const path = `${fixturesPath}golden/${name}`;
  const checkpoint = await openHfFolder(directorySource(path));
  expect(checkpoint.architecture).toBe(name === 'qwen3' ? 'qwen3' : 'llama');
  for (const file of new Set([...checkpoint.tensors.values()].map(({ fileName }) => fileName))) {
    for (const [tensorName, expected] of readFixtureTensors(`${path}/${file}`)) {
      const entry = checkpoint.tensors.get(tensorName)!;
      const bytes = new Uint8Array(entry.sizeBytes);
      await entry.read(0, bytes);
      expect({ shape: entry.shape, type: entry.type, same: Buffer.compare(bytes, expected.bytes) }).toEqual({
        shape: expected.shape,
        type: 'f32',
        same: 0,
      });
    }
  }
  await checkpoint.close();
});

test('sharded and single golden hold the same weights', async () => {
  const single = await openHfFolder(directorySource(`${fixturesPath}golden/llama`));
  const sharded = await openHfFolder(directorySource(`${fixturesPath}golden/llama_sharded`));
  expect([...sharded.tensors.keys()].toSorted()).toEqual([...single.tensors.keys()].toSorted());
  await Promise.all([single.close(), sharded.close()]);
});

test.skipIf(!hasShared('ember-21m/model.safetensors'))('ember-21m', async () => {
  const checkpoint = await openHfFolder(directorySource(`${sharedPath}/ember-21m`));
  expect(checkpoint.architecture).toBe('qwen3');
  expect([...checkpoint.assets.keys()]).toEqual([
    'config.json',
    'generation_config.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'chat_template.jinja',
  ]);
  const plain = readFixtureTensors(`${sharedPath}/ember-21m/model.safetensors`);
  expect([...checkpoint.tensors.keys()].toSorted()).toEqual([...plain.keys()].toSorted());
  const source = await fileSource(`${sharedPath}/ember-21m/golden.safetensors`);
  expect((await readSafetensors(source, 'golden.safetensors')).size).toBeGreaterThan(0);
  await Promise.all([checkpoint.close(), source.close()]);
});
