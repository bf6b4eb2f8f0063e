import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import { storedWays, woven } from '../../test/stored-ways.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { ggufExport } from './gguf-export.ts';
import { invertWeights } from './invert-weights.ts';
import { llama } from './llama.ts';
import { openDecoder } from './open-decoder.ts';
import {
  apply, expert, permuteHeads, plus, printExpression, reshape, slice, stack, tensor, timesRows, transpose, transposeHeads, VALUE_FUNCTIONS,
} from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import { sliceOfHeads } from './weight-shape.ts';
import { weightReader } from './weight-reader.ts';

describe('a family whose two formats store things otherwise', () => {
  const { folder, gguf } = storedWays('f32');

  it('is written as its GGUF file has it', async () => {
    const { tensors } = await ggufExport(memoryCheckpoint(folder), { type: 'f32', modelName: 'woven', architectures: [llama, woven] });
    expect(new Set(tensors.map(({ name }) => name))).toEqual(new Set(Object.keys(gguf.tensors)));
    for (const { name, shape, type, from } of tensors) {
      const wanted = gguf.tensors[name];
      expect({ name, type, shape }).toEqual({ name, type: 'f32', shape: wanted?.shape });
      if (from instanceof Float32Array) throw new Error(`${name} is made of nothing`);
      const bytes = new Uint8Array(from.sizeBytes);
      await from.read(0, bytes);
      expect(Buffer.compare(bytes, wanted?.bytes as Uint8Array), name).toBe(0);
    }
  });

  it.each([
    ['folder', folder],
    ['file', gguf],
  ] as const)('every tensor of its %s is read by some weight; others are refused', async (_, stored) => {
    const open = (tensors: typeof stored.tensors) => openDecoder(memoryCheckpoint({ ...stored, tensors }), { architectures: [woven] });
    expect((await open(stored.tensors)).skipped).toEqual([]);
    await expect(open({ ...stored.tensors, 'experts.bias': { shape: [3] } })).rejects.toThrow('found experts.bias [3] in memory');
    const [fused] = Object.keys(stored.tensors).filter((name) => /qkv|attn_q$/.test(name)) as [string];
    const { [fused]: taken, ...rest } = stored.tensors;
    expect(taken).toBeDefined();
    await expect(open(rest)).rejects.toThrow(`expected tensor ${fused} of shape [${taken?.shape.join(', ')}], found none`);
  });
});

describe('tensors of weights', () => {
  const M = (name: string, rows: number) => tensor(name, [rows, 4]);
  const checkpoint: Checkpoint = memoryCheckpoint({
    format: 'gguf',
    architecture: 'test',
    tensors: Object.fromEntries(
      Object.entries({ a: [8, 4], b: [4, 4], v: [8], c: [12, 4] }).map(([name, shape], seed) => {
        const values = Float32Array.from({ length: shape.reduce((x, y) => x * y, 1) }, (_, i) => 100 * seed + i);
        return [name, { shape, bytes: new Uint8Array(values.buffer) }];
      }),
    ),
  });
  const bytesOf = async (from: Checkpoint, expression: WeightExpression) => {
    const source = weightReader(from)('w', expression);
    const bytes = new Uint8Array(source.sizeBytes);
    await source.read(0, bytes);
    return { bytes, type: source.type, shape: source.shape };
  };

  // What is written is read again as it was: an inverse needs no other definition.
  const cases: [string, readonly (readonly [WeightExpression, WeightExpression])[], readonly string[]][] = [
    ['a tensor each', [[M('x', 8), M('a', 8)], [M('y', 4), M('b', 4)]], ['a', 'b']],
    [
      'rows of one tensor, in another order',
      [[slice(M('x', 12), 8, 12), M('b', 4)], [slice(M('x', 12), 0, 8), M('a', 8)]],
      ['stack(a, b)'],
    ],
    ['stacked tensors', [[stack([M('x', 3), M('y', 5)]), M('a', 8)]], ['slice(a, 0, 3)', 'slice(a, 3, 8)']],
    ['heads in pairs', [[permuteHeads(M('x', 8), 2, 'halves'), M('a', 8)]], ['permuteHeads(a, 2, pairs)']],
    ['heads in another order', [[transposeHeads(M('x', 8), 2, 4), M('a', 8)]], ['transposeHeads(a, 4, 2)']],
    [
      'columns in heads of another order',
      [[reshape(transposeHeads(reshape(M('x', 8), [8, 4, 1]), 2, 2), [8, 4]), M('a', 8)]],
      ['reshape(transposeHeads(reshape(a, [8, 4, 1]), 2, 2), [8, 4])'],
    ],
    ['a vector less 1', [[plus(tensor('x', [8]), 1), tensor('v', [8])]], ['plus(v, -1)']],
    [
      'experts',
      [[expert(tensor('x', [2, 4, 4]), 1), M('b', 4)], [expert(tensor('x', [2, 4, 4]), 0), slice(M('a', 8), 2, 6)]],
      ['reshape(stack(slice(a, 2, 6), b), [2, 4, 4])'],
    ],
    [
      'heads that hold two weights each',
      [[sliceOfHeads(M('x', 12), 2, 0, 2), M('b', 4)], [sliceOfHeads(M('x', 12), 2, 2, 6), M('a', 8)]],
      ['reshape(stack(reshape(b, [2, 2, 4]), reshape(a, [2, 4, 4])), [12, 4])'],
    ],
    ['other dimensions', [[reshape(tensor('x', [2, 1, 4, 4]), [8, 4]), M('a', 8)]], ['reshape(a, [2, 1, 4, 4])']],
    ['a matrix transposed', [[transpose(tensor('x', [4, 8])), M('a', 8)]], ['transpose(a)']],
    ['one tensor for two weights', [[M('x', 8), M('a', 8)], [M('x', 8), M('a', 8)]], ['a']],
  ];
  it.each(cases)('%s', async (_, pairs, printed) => {
    const inverted = invertWeights(pairs.map(([stored, value], i) => ({ id: `w${i}`, stored, value })), 'test');
    expect(inverted.map(({ from }) => printExpression(from))).toEqual(printed);
    const written = await Promise.all(
      inverted.map(async ({ name, shape, from }) => {
        const { bytes, type, shape: own } = await bytesOf(checkpoint, from);
        expect(own).toEqual(shape);
        return [name, { shape, type, bytes }] as const;
      }),
    );
    const again = memoryCheckpoint({ format: 'gguf', architecture: 'test', tensors: Object.fromEntries(written) });
    for (const [stored, value] of pairs) expect(await bytesOf(again, stored)).toEqual(await bytesOf(checkpoint, value));
  });

  it.each([['minusExp', -4], ['logOfMinus', -0.02]] as const)('%s of a vector by its inverse', (fn, x) => {
    const { inverse, apply: valueOf } = VALUE_FUNCTIONS[fn];
    const [only] = invertWeights([{ id: 'w', stored: apply(tensor('x', [8]), fn), value: tensor('v', [8]) }], 'test');
    expect(printExpression(only!.from)).toBe(`${inverse}(v)`);
    expect(VALUE_FUNCTIONS[inverse].apply(valueOf(x))).toBeCloseTo(x, 12);
  });

  it.each([
    ['rows without a weight between', [slice(M('x', 12), 0, 4), slice(M('x', 12), 8, 12)], /of x once, found rows 4 to 8 of no weight/],
    ['rows without a weight at the end', [slice(M('x', 12), 0, 4), slice(M('x', 12), 4, 8)], /of x once, found rows 8 to 12 of no weight/],
    ['rows of two weights', [slice(M('x', 12), 0, 4), slice(M('x', 12), 2, 6)], /of x once, found rows 2 to 4 of two weights/],
    [
      'experts and rows of one tensor',
      [expert(tensor('x', [2, 4, 4]), 0), slice(tensor('x', [2, 4, 4]), 0, 2)],
      /of x once, found parts of \[8, 4\] and of \[2, 4, 4\]/,
    ],
    ['rows times a vector', [timesRows(M('x', 4), tensor('y', [4]))], /timesRows\(x, y\) holds several tensors in one weight/],
    ['every second row', [slice(M('x', 8), 0, 8, 2)], /weight w0: expected rows .* that follow each other, found slice\(x, 0, 8, 2\)/],
  ] as const)('%s cannot be written', (_, stored, message) => {
    const attempt = () => invertWeights(stored.map((expression, i) => ({ id: `w${i}`, stored: expression, value: M('b', 4) })), 'test');
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(FormatError);
  });
});
