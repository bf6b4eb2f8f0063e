import { describe, expect, test } from 'vitest';
import { InputError } from '../tensor/errors.ts';
import type { GgufValue } from '../tensor/gguf-value.ts';
import { bool, float32, int32s, string, strings, uint32 } from '../tensor/gguf-value.ts';
import { memorySink } from './byte-sink.ts';
import { openGguf } from './gguf-reader.ts';
import { GgufWriter } from './gguf-writer.ts';
import type { GgufPlan } from './gguf-writer.ts';
import { memoryFolder } from './memory-source.ts';

async function writeFile(plan: GgufPlan, bytes: (name: string) => Uint8Array): Promise<Uint8Array> {
  const sink = memorySink('made.gguf');
  const writer = await GgufWriter.open(sink, plan);
  for (const { name } of plan.tensors) await writer.write(name, bytes(name));
  await writer.close();
  expect(sink.bytes().length).toBe(writer.sizeBytes);
  return sink.bytes();
}

const read = (bytes: Uint8Array) => openGguf(memoryFolder(new Map([['made.gguf', bytes]]), 'memory'), 'made.gguf');

const everyType: [string, GgufValue, unknown][] = [
  ['general.architecture', string('llama'), 'llama'],
  ['a.u8', { type: 'uint8', value: 255 }, 255],
  ['a.i8', { type: 'int8', value: -128 }, -128],
  ['a.u16', { type: 'uint16', value: 65535 }, 65535],
  ['a.i16', { type: 'int16', value: -32768 }, -32768],
  ['a.u32', uint32(4294967295), 4294967295],
  ['a.i32', { type: 'int32', value: -2147483648 }, -2147483648],
  ['a.f32', float32(0.5), 0.5],
  ['a.bool', bool(true), true],
  ['a.string', string('é 漢 \u{1f600} \0'), 'é 漢 \u{1f600} \0'],
  ['a.empty', string(''), ''],
  ['a.u64', { type: 'uint64', value: 2n ** 64n - 1n }, 2n ** 64n - 1n],
  ['a.i64', { type: 'int64', value: -(2n ** 63n) }, -(2n ** 63n)],
  ['a.f64', { type: 'float64', value: Math.PI }, Math.PI],
  ['a.strings', strings(['a', '', 'ü']), ['a', '', 'ü']],
  ['a.int32s', int32s([-1, 2]), Int32Array.of(-1, 2)],
  ['a.floats', { type: 'array', itemType: 'float32', value: Float32Array.of(1, 2) }, Float32Array.of(1, 2)],
  ['a.bools', { type: 'array', itemType: 'bool', value: [true, false] }, [true, false]],
  ['a.none', strings([]), []],
  ['a.nested', { type: 'array', itemType: 'array', value: [{ type: 'array', itemType: 'uint8', value: [1, 2] }] }, [Uint8Array.of(1, 2)]],
];

describe('GgufWriter', () => {
  test.each([32, 64, 8])('what it writes reads back, aligned to %d', async (alignment) => {
    const tensors = [
      { name: 'a.weight', type: 'f32', shape: [3, 5] },
      { name: 'b.weight', type: 'q4_0', shape: [3, 64] },
      { name: 'c.bias', type: 'f16', shape: [7] },
      { name: 'd.weight', type: 'q6_k', shape: [2, 3, 1, 256] },
    ] as const;
    const sizes: Record<string, number> = { 'a.weight': 60, 'b.weight': 108, 'c.bias': 14, 'd.weight': 1260 };
    const contents = (name: string) => Uint8Array.from({ length: sizes[name]! }, (_, i) => (i * 7 + name.charCodeAt(0)) & 255);
    const metadata = new Map(everyType.map(([key, value]) => [key, value]));
    const checkpoint = await read(await writeFile({ metadata, tensors, alignment }, contents));
    for (const [key, , want] of everyType) expect([key, checkpoint.metadata.get(key)]).toEqual([key, want]);
    expect([...checkpoint.tensors.keys()]).toEqual(tensors.map(({ name }) => name));
    for (const tensor of tensors) {
      const entry = checkpoint.tensors.get(tensor.name)!;
      expect(entry).toMatchObject({ type: tensor.type, shape: tensor.shape, sizeBytes: sizes[tensor.name] });
      expect(entry.fileOffset % alignment).toBe(0);
      const got = new Uint8Array(entry.sizeBytes);
      await entry.read(0, got);
      expect(got).toEqual(contents(tensor.name));
    }
  });

  test('a tensor may come in pieces, and nothing else fits', async () => {
    const sink = memorySink('made.gguf');
    const tensors = [{ name: 'a', type: 'f32', shape: [4] }, { name: 'b', type: 'f32', shape: [4] }] as const;
    const writer = await GgufWriter.open(sink, { metadata: new Map([['general.architecture', string('x')]]), tensors });
    await writer.write('a', new Uint8Array(10).fill(1));
    await expect(writer.write('b', new Uint8Array(16))).rejects.toThrow(/Expected bytes of a/);
    await expect(writer.write('a', new Uint8Array(7))).rejects.toThrow(/takes 16 bytes; got 17/);
    await writer.write('a', new Uint8Array(6).fill(2));
    await expect(writer.close()).rejects.toThrow(/b has 0 of its 16 bytes/);
    await writer.write('b', new Uint8Array(16));
    await expect(writer.write('c', new Uint8Array(1))).rejects.toThrow(/no further tensor/);
    await writer.close();
    const got = new Uint8Array(16);
    await (await read(sink.bytes())).tensors.get('a')!.read(0, got);
    expect([...got]).toEqual([...Array(10).fill(1), ...Array(6).fill(2)]);
  });

  test('a hundred thousand strings', async () => {
    const tokens = Array.from({ length: 100_000 }, (_, i) => `token ${i} ${'é'.repeat(i % 5)}`);
    const metadata = new Map([['general.architecture', string('x')], ['tokens', strings(tokens)]]);
    const checkpoint = await read(await writeFile({ metadata, tensors: [] }, () => new Uint8Array()));
    expect(checkpoint.metadata.get('tokens')).toEqual(tokens);
  });

  test.each([
    ['a number out of range', { metadata: new Map([['k', uint32(-1)]]), tensors: [] }, /k is uint32/],
    ['a fraction', { metadata: new Map([['k', uint32(0.5)]]), tensors: [] }, /found 0.5/],
    ['rows that are no whole blocks', { metadata: new Map(), tensors: [{ name: 'w', type: 'q4_k', shape: [2, 128] }] }, /multiple of 256/],
    [
      'a name twice',
      {
        metadata: new Map(),
        tensors: [
          { name: 'w', type: 'f32', shape: [1] },
          { name: 'w', type: 'f32', shape: [1] },
        ],
      },
      /twice/,
    ],
    ['a type that GGUF lacks', { metadata: new Map(), tensors: [{ name: 'w', type: 'u32', shape: [1] }] }, /no type u32/],
    ['too many dimensions', { metadata: new Map(), tensors: [{ name: 'w', type: 'f32', shape: [1, 1, 1, 1, 1] }] }, /one to four/],
    ['an odd alignment', { metadata: new Map(), tensors: [], alignment: 48 }, /power of two/],
  ] as [string, GgufPlan, RegExp][])('refuses %s', async (_, plan, message) => {
    const opening = GgufWriter.open(memorySink('made.gguf'), plan);
    await expect(opening).rejects.toThrow(InputError);
    await expect(opening).rejects.toThrow(message);
  });
});
