import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import type { MemoryTensor } from '../../test/memory-checkpoint.ts';
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { randomSource, randomWeights } from '../tensor/codec/random-weights.ts';
import { FormatError } from '../tensor/errors.ts';
import { bytesOfElements, elementsOf, isQuantized, TENSOR_TYPES, WEIGHT_TYPES } from '../tensor/tensor-type.ts';
import type { TensorType, WeightType } from '../tensor/tensor-type.ts';
import {
  added, apply, expert, padded, permuteHeads, plus, reshape, slice, stack, stackExperts, tensor, timesRows, transpose, transposeHeads,
} from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import { sliceOfHeads } from './weight-shape.ts';
import { GATHER_BYTES, weightReader } from './weight-reader.ts';

type Rows = readonly (readonly number[])[];

/** A tensor of numbers that differ from row to row, and its rows as its type holds them. */
function made(type: WeightType, shape: readonly number[], seed: number): { readonly stored: MemoryTensor; readonly rows: Rows } {
  const cols = shape.at(-1) as number;
  const values = new Float32Array(elementsOf(shape));
  const bytes = randomWeights(type, values.length / cols, cols, randomSource(seed));
  decodeRows(type, bytes, values);
  return {
    stored: { shape, type, bytes },
    rows: Array.from({ length: values.length / cols }, (_, row) => [...values.subarray(row * cols, (row + 1) * cols)]),
  };
}

function checkpointOf(tensors: Readonly<Record<string, MemoryTensor>>): Checkpoint {
  return memoryCheckpoint({ format: 'gguf', architecture: 'test', tensors });
}

async function decoded(checkpoint: Checkpoint, expression: WeightExpression) {
  const source = weightReader(checkpoint)('w', expression);
  const bytes = new Uint8Array(source.sizeBytes);
  await source.read(0, bytes);
  const values = new Float32Array(source.shape.reduce((a, b) => a * b, 1));
  decodeRows(source.type, bytes, values);
  // Any range is what the whole has there, whatever the memory held.
  const third = Math.floor(bytes.length / 3);
  for (const [from, length] of [[1, 1], [3, third], [bytes.length - 5, 5], [third, bytes.length - third]] as const) {
    const part = new Uint8Array(length).fill(0xa5);
    await source.read(from, part);
    expect(part).toEqual(bytes.subarray(from, from + length));
  }
  await expect(source.read(bytes.length - 4, new Uint8Array(5))).rejects.toThrow(RangeError);
  return { source, values: [...values] };
}

describe.each(WEIGHT_TYPES)('%s', (type) => {
  it('rows behind the last are zeros', async () => {
    const { values } = await decoded(checkpoint, padded(B, [8, cols]));
    // A scale of 0 times a negative code is -0.
    expect(values.map((value) => value + 0)).toEqual([...b.rows.flat().map((value) => value + 0), ...Array<number>(3 * cols).fill(0)]);
  });

  const cols = isQuantized(type) ? 2 * TENSOR_TYPES[type].blockSize : 7;
  const a = made(type, [12, cols], 1);
  const b = made(type, [5, cols], 2);
  const c = made(type, [1, cols], 3);
  const stacked = made(type, [3, 4, cols], 4);
  const other = made(type, [3, 2, cols], 5);
  const checkpoint = checkpointOf({ a: a.stored, b: b.stored, c: c.stored, experts: stacked.stored, others: other.stored });
  const [A, B, C] = [tensor('a', [12, cols]), tensor('b', [5, cols]), tensor('c', [1, cols])];
  const [EXPERTS, OTHERS] = [tensor('experts', [3, 4, cols]), tensor('others', [3, 2, cols])];
  const pick = (rows: Rows, ...wanted: number[]) => wanted.map((row) => rows[row] as readonly number[]);

  const cases: [string, WeightExpression, readonly number[], Rows][] = [
    ['a tensor', B, [5, cols], b.rows],
    ['a stack', stack([A, C, B]), [18, cols], [...a.rows, ...c.rows, ...b.rows]],
    ['a stack of one', stack([B]), [5, cols], b.rows],
    ['a slice', slice(A, 3, 8), [5, cols], a.rows.slice(3, 8)],
    ['a slice of the last row', slice(B, 4, 5), [1, cols], pick(b.rows, 4)],
    ['every second row', slice(A, 1, 12, 2), [6, cols], pick(a.rows, 1, 3, 5, 7, 9, 11)],
    ['every fifth row, with a shorter last step', slice(A, 0, 11, 5), [3, cols], pick(a.rows, 0, 5, 10)],
    ['heads of pairs in halves', permuteHeads(A, 2, 'halves'), [12, cols], pick(a.rows, 0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11)],
    ['heads of halves in pairs', permuteHeads(A, 2, 'pairs'), [12, cols], pick(a.rows, 0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11)],
    ['heads there and back', permuteHeads(permuteHeads(A, 3, 'pairs'), 3, 'halves'), [12, cols], a.rows],
    ['2 times 3 heads as 3 times 2', transposeHeads(A, 2, 3), [12, cols], pick(a.rows, 0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11)],
    ['3 times 2 heads of one row as 2 times 3', transposeHeads(slice(A, 0, 6), 3, 2), [6, cols], pick(a.rows, 0, 2, 4, 1, 3, 5)],
    ['transposed heads there and back', transposeHeads(transposeHeads(A, 3, 4), 4, 3), [12, cols], a.rows],
    [
      'transposed heads of every expert',
      transposeHeads(EXPERTS, 2, 2),
      [3, 4, cols],
      pick(stacked.rows, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11),
    ],
    ['an expert', expert(EXPERTS, 2), [4, cols], stacked.rows.slice(8, 12)],
    ['rows of every expert', slice(EXPERTS, 1, 3), [3, 2, cols], pick(stacked.rows, 1, 2, 5, 6, 9, 10)],
    ['every third row of every expert', slice(EXPERTS, 0, 4, 3), [3, 2, cols], pick(stacked.rows, 0, 3, 4, 7, 8, 11)],
    [
      'a stack of experts, row by row',
      stack([EXPERTS, OTHERS]),
      [3, 6, cols],
      [0, 1, 2].flatMap((e) => [...stacked.rows.slice(4 * e, 4 * e + 4), ...other.rows.slice(2 * e, 2 * e + 2)]),
    ],
    ['matrices as experts', stackExperts([B, slice(A, 0, 5)], [5, cols]), [2, 5, cols], [...b.rows, ...a.rows.slice(0, 5)]],
    ['other outer dimensions', reshape(A, [2, 3, 2, cols]), [2, 3, 2, cols], a.rows],
    ['rows of every head', sliceOfHeads(A, 3, 1, 3), [6, cols], pick(a.rows, 1, 2, 5, 6, 9, 10)],
    ['a slice of a stack', slice(stack([B, A]), 4, 7), [3, cols], [...b.rows.slice(4), ...a.rows.slice(0, 2)]],
    [
      'heads of a slice of an expert',
      permuteHeads(slice(expert(EXPERTS, 1), 0, 4), 1, 'halves'),
      [4, cols],
      pick(stacked.rows, 4, 6, 5, 7),
    ],
  ];
  it.each(cases)('%s', async (_, expression, shape, rows) => {
    const { source, values } = await decoded(checkpoint, expression);
    expect(source).toMatchObject({ id: 'w', type, shape });
    expect(values).toEqual(rows.flat());
  });
});

describe.each(['f32', 'f16', 'bf16'] as const)('vectors of %s', (type) => {
  const v = made(type, [37], 1);
  const matrix = made(type, [3, 5], 2);
  const checkpoint = checkpointOf({ v: v.stored, m: matrix.stored });
  const V = tensor('v', [37]);
  const values = v.rows.flat();

  it('plus is a sum in f32', async () => {
    const { source, values: found } = await decoded(checkpoint, plus(V, 1));
    expect(source).toMatchObject({ type: 'f32', shape: [37], sizeBytes: 148 });
    expect(found).toEqual(values.map((value) => Math.fround(value + 1)));
    expect((await decoded(checkpoint, plus(plus(slice(V, 3, 30), 2), -0.5))).values).toEqual(
      values.slice(3, 30).map((value) => Math.fround(Math.fround(value + 2) - 0.5)),
    );
  });

  it('-e^x is reckoned of each value', async () => {
    const { source, values: found } = await decoded(checkpoint, apply(V, 'minusExp'));
    expect(source).toMatchObject({ type: 'f32', shape: [37], sizeBytes: 148 });
    expect(found).toEqual(values.map((value) => Math.fround(-Math.exp(value))));
  });

  it('sums, and rows times a vector, are reckoned in f32', async () => {
    const sumOf = await decoded(checkpoint, added([V, apply(V, 'minus'), V]));
    expect(sumOf.source).toMatchObject({ type: 'f32', shape: [37] });
    expect(sumOf.values).toEqual(values.map(Math.fround));
    const by = apply(plus(apply(slice(V, 2, 5), 'minusExp'), 500), 'inverseRoot');
    const factors = values.slice(2, 5).map((value) => Math.fround(1 / Math.sqrt(Math.fround(Math.fround(-Math.exp(value)) + 500))));
    const { source, values: found } = await decoded(checkpoint, timesRows(tensor('m', [3, 5]), by));
    expect(source).toMatchObject({ type: 'f32', shape: [3, 5] });
    expect(found).toEqual(matrix.rows.flatMap((row, i) => row.map((value) => Math.fround(value * factors[i]!))));
    // From within a row on, as a thread that has its own part reads it.
    const part = new Uint8Array(4 * 4);
    await source.read(4 * 3, part);
    expect([...new Float32Array(part.buffer)]).toEqual(found.slice(3, 7));
    expect((await decoded(checkpoint, timesRows(V, V))).values).toEqual(values.map((value) => Math.fround(value * value)));
  });

  it('a transposed matrix has rows for columns, expert by expert', async () => {
    const columns = (rows: Rows) => (rows[0] as readonly number[]).map((_, c) => rows.map((row) => row[c] as number));
    const { source, values: found } = await decoded(checkpoint, transpose(tensor('m', [3, 5])));
    expect(source).toMatchObject({ type, shape: [5, 3] });
    expect(found).toEqual(columns(matrix.rows).flat());
    const experts = transpose(reshape(tensor('v', [37]), [1, 37, 1]));
    expect((await decoded(checkpoint, experts)).values).toEqual(values);
    const two = reshape(slice(V, 0, 24), [2, 3, 4]);
    const rowsOfTwo = [0, 1].map((e) => [0, 1, 2].map((row) => values.slice(e * 12 + row * 4, e * 12 + row * 4 + 4)));
    expect((await decoded(checkpoint, transpose(two))).values).toEqual(rowsOfTwo.flatMap((rows) => columns(rows).flat()));
    expect((await decoded(checkpoint, slice(transpose(two), 1, 4, 2))).values).toEqual(
      rowsOfTwo.flatMap((rows) => [1, 3].flatMap((c) => columns(rows)[c] as number[])),
    );
  });

  it('values behind those of a row are zeros', async () => {
    const wide = [...matrix.rows.flatMap((row) => [...row, 0, 0, 0]), ...Array<number>(8).fill(0)];
    expect((await decoded(checkpoint, padded(tensor('m', [3, 5]), [4, 8]))).values).toEqual(wide);
    expect((await decoded(checkpoint, padded(V, [40]))).values).toEqual([...values, 0, 0, 0]);
  });

  it('rows are values', async () => {
    expect((await decoded(checkpoint, slice(V, 4, 37))).values).toEqual(values.slice(4));
    expect((await decoded(checkpoint, stack([slice(V, 30, 37), V]))).values).toEqual([...values.slice(30), ...values]);
    const heads = [0, 2, 1, 3, 4, 6, 5, 7];
    expect((await decoded(checkpoint, permuteHeads(slice(V, 0, 8), 2, 'halves'))).values).toEqual(heads.map((i) => values[i]));
    expect((await decoded(checkpoint, expert(tensor('m', [3, 5]), 1))).values).toEqual(matrix.rows[1]);
    expect((await decoded(checkpoint, reshape(tensor('m', [3, 5]), [15]))).values).toEqual(matrix.rows.flat());
    expect((await decoded(checkpoint, reshape(tensor('m', [3, 5]), [5, 3, 1]))).values).toEqual(matrix.rows.flat());
  });
});

describe('what cannot be is refused', () => {
  const tensors: Record<string, MemoryTensor> = {
    f16: { shape: [8, 64], type: 'f16' },
    q8: { shape: [8, 64], type: 'q8_0' },
    q4: { shape: [4, 64], type: 'q4_0' },
    narrow: { shape: [8, 32], type: 'f16' },
    experts: { shape: [2, 4, 64], type: 'q8_0' },
    gain: { shape: [64], type: 'f32' },
    numbers: { shape: [64], type: 'i32' },
    codes: { shape: [256], type: 'q6_k' },
    torn: { shape: [4, 48], type: 'q8_0' },
    rare: { shape: [2, 256], type: 'iq2_s' },
  };
  const T = (name: string) => tensor(name, (tensors[name] as MemoryTensor).shape);
  const cases: [string, WeightExpression, RegExp][] = [
    [
      'an absent tensor',
      stack([T('q8'), tensor('gone', [8, 64])]),
      /memory: expected tensor gone of shape \[8, 64\], found none\. .* get it again/,
    ],
    ['another shape', slice(tensor('q8', [9, 64]), 0, 9), /memory: expected tensor q8 of shape \[9, 64\], found shape \[8, 64\]/],
    ['a type without kernels', expert(T('rare'), 0), /tensor rare has type iq2_s; expected one of f32, .*get the IQ4_XS, Q3_K_M or Q2_K/],
    [
      'blocks that end inside a row',
      T('torn'),
      /tensor torn has rows of 48 values; expected a multiple of 32, the length of a block of q8_0/,
    ],
    ['nothing to stack', stack([]), /memory: weight w: expected at least one part to stack, found none/],
    [
      'a stack of two types',
      stack([T('q8'), T('q4')]),
      /weight w: expected tensors of one type to be stacked, found q8 of q8_0 and q4 of q4_0/,
    ],
    ['a stack of two widths', stack([T('f16'), T('narrow')]), /parts that differ in their rows alone, like \[8, 64\], found \[8, 32\]/],
    ['a stack of ranks', stack([T('q8'), T('experts')]), /like \[8, 64\], found \[2, 4, 64\] in stack\(q8, experts\)/],
    [
      'rows past the end',
      slice(T('q8'), 5, 9),
      /weight w: expected rows within 0 to 8, found 5 to 9 in slice\(q8, 5, 9\)\. The file's settings/,
    ],
    ['rows before the beginning', slice(T('q8'), -1, 4), /rows within 0 to 8, found -1 to 4/],
    ['no rows', slice(T('q8'), 4, 4), /rows within 0 to 8, found 4 to 4/],
    ['rows that are no integers', slice(T('q8'), 0.5, 4), /rows within 0 to 8, found 0\.5 to 4/],
    ['rows that are no numbers', slice(T('q8'), Number.NaN, 4), /rows within 0 to 8, found NaN to 4/],
    ['rows of an expert past its end', slice(T('experts'), 0, 8), /rows within 0 to 4, found 0 to 8/],
    ['a step of nothing', slice(T('q8'), 0, 4, 0), /a step of at least 1, found 0/],
    [
      'a wrong number of heads',
      permuteHeads(T('q8'), 3, 'halves'),
      /a number of heads that divides 8 rows, found 3 in permuteHeads\(q8, 3, halves\)/,
    ],
    ['no heads', permuteHeads(T('q8'), 0, 'halves'), /a number of heads that divides 8 rows, found 0/],
    ['heads of an odd number of rows', permuteHeads(T('q8'), 8, 'pairs'), /heads with an even number of rows, found 1/],
    ['heads of experts', permuteHeads(T('experts'), 2, 'pairs'), /a matrix or a vector with heads, found shape \[2, 4, 64\]/],
    ['an expert past the last', expert(T('experts'), 2), /an expert within 0 to 1, found 2 in expert\(experts, 2\)/],
    ['an expert before the first', expert(T('experts'), -1), /an expert within 0 to 1, found -1/],
    ['an expert of a vector', expert(T('gain'), 0), /experts along the first of at least two dimensions, found shape \[64\]/],
    [
      'a row of blocks as a vector',
      expert(T('q8'), 1),
      /a type without blocks \(f32, f16, bf16\) to take a row of q8 as a vector, found q8_0/,
    ],
    ['rows of blocks cut anew', reshape(T('q8'), [16, 32]), /a type without blocks .* to take \[8, 64\] of q8 as \[16, 32\], found q8_0/],
    ['another number of values', reshape(T('q8'), [8, 65]), /a shape of 512 values, found \[8, 65\]/],
    ['a function of a matrix', apply(T('f16'), 'minusExp'), /a vector, found shape \[8, 64\] in minusExp\(f16\)/],
    ['a sum of a matrix', added([T('f16'), T('f16')]), /vectors to add up, found shape \[8, 64\] in added\(f16, f16\)/],
    ['a sum of two lengths', added([T('gain'), slice(T('gain'), 0, 8)]), /vectors of 64 values, found shape \[8\]/],
    ['rows times too few', timesRows(T('f16'), T('gain')), /a factor for each of its rows, found shapes \[8, 64\] and \[64\]/],
    ['rows of blocks times numbers', timesRows(T('q8'), slice(T('gain'), 0, 8)), /a type without blocks .* found q8_0/],
    ['heads that do not divide the rows', transposeHeads(T('f16'), 3, 2), /heads that divide 8 rows, found 3 and 2 in transposeHeads/],
    ['fewer rows than there are', padded(T('f16'), [7, 64]), /within \[7, 64\], found shape \[8, 64\] in padded\(f16, \[7, 64\]\)/],
    ['zeros behind blocks', padded(T('q8'), [8, 96]), /a type without blocks .* to take wider rows of q8, found q8_0/],
    ['a vector transposed', transpose(T('gain')), /a matrix to transpose, found shape \[64\] in transpose\(gain\)/],
    ['blocks transposed', transpose(T('q8')), /a type without blocks .* to take q8 transposed, found q8_0/],
    ['plus of a matrix', plus(T('f16'), 1), /a vector to add to, found shape \[8, 64\] in plus\(f16, 1\)/],
    ['plus of integers', plus(T('numbers'), 1), /tensor numbers has type i32; expected one of f32, f16 and bf16/],
    ['plus of a vector of blocks', plus(T('codes'), 1), /tensor codes has type q6_k; expected one of f32, f16 and bf16/],
    ['plus of what is no number', plus(T('gain'), Number.NaN), /a finite number to add, found NaN/],
  ];
  it.each(cases)('%s', (_, expression, message) => {
    const attempt = () => weightReader(checkpointOf(tensors))('w', expression);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(FormatError);
  });

  it('a stack of many is printed in short', () => {
    const parts = Array.from({ length: 40 }, () => T('q8'));
    expect(weightReader(checkpointOf(tensors))('w', stack(parts)).origin).toBe('stack(q8, q8, q8, q8, 36 more) in memory');
  });
});

/** A tensor whose bytes are made as they are read, so that only its reader takes memory. */
function countedEntry(name: string, type: TensorType, shape: readonly number[]) {
  const reads: { readonly byteOffset: number; readonly into: Uint8Array }[] = [];
  const entry: TensorEntry = {
    name,
    type,
    shape,
    sizeBytes: bytesOfElements(type, shape.reduce((a, b) => a * b, 1)),
    fileName: 'counted',
    fileOffset: 0,
    async read(byteOffset, into) {
      reads.push({ byteOffset, into });
      into.fill(byteOffset >> 16);
    },
  };
  return { entry, reads, total: () => reads.reduce((sum, { into }) => sum + into.length, 0) };
}

function countedCheckpoint(...entries: readonly TensorEntry[]): Checkpoint {
  return { ...checkpointOf({}), tensors: new Map(entries.map((entry) => [entry.name, entry])) };
}

describe('memory', () => {
  it('stacks, slices and experts are read straight into the memory of who asks', async () => {
    const a = countedEntry('a', 'f16', [4, 512, 256]);
    const b = countedEntry('b', 'f16', [512, 256]);
    const expression = stack([expert(tensor('a', [4, 512, 256]), 2), slice(tensor('b', [512, 256]), 100, 300)]);
    const source = weightReader(countedCheckpoint(a.entry, b.entry))('w', expression);
    const into = new Uint8Array(source.sizeBytes);
    await source.read(0, into);
    const reads = [...a.reads, ...b.reads];
    expect(reads.map(({ byteOffset, into: part }) => [byteOffset, part.length])).toEqual([
      [2 * 512 * 512, 512 * 512],
      [100 * 512, 200 * 512],
    ]);
    expect(reads.every(({ into: part }) => part.buffer === into.buffer)).toBe(true);
  });

  it('nothing is read before it is asked for, nor what is not asked for', async () => {
    const a = countedEntry('a', 'q8_0', [4096, 4096]);
    const source = weightReader(countedCheckpoint(a.entry))('w', permuteHeads(tensor('a', [4096, 4096]), 32, 'halves'));
    expect(a.reads).toEqual([]);
    const rowBytes = 128 * 34;
    // Rows 128 to 130 are the even rows from 128 on.
    await source.read(128 * rowBytes, new Uint8Array(3 * rowBytes));
    expect(a.reads.map(({ byteOffset, into }) => [byteOffset, into.length])).toEqual([[128 * rowBytes, 5 * rowBytes]]);
  });

  it.each([
    ['whole heads at a time', 'q8_0', 32, 1],
    ['one head of the whole', 'q8_0', 1, 2],
    ['heads that are longer than what is held', 'f32', 4, 2],
  ] as const)('rows in another order pass through a bounded buffer: %s', async (_, type, heads, times) => {
    const shape = [2048, 2048];
    const a = countedEntry('a', type, shape);
    const source = weightReader(countedCheckpoint(a.entry))('w', permuteHeads(tensor('a', shape), heads, 'halves'));
    // As the CPU reads it: all of it.
    await source.read(0, new Uint8Array(source.sizeBytes));
    expect(a.reads.length).toBeGreaterThan(3);
    expect(Math.max(...a.reads.map(({ into }) => into.buffer.byteLength))).toBeLessThanOrEqual(GATHER_BYTES);
    expect(a.total() / source.sizeBytes).toBeLessThan(times + 0.05);
    // As the GPU reads it: in pieces of rows that have nothing to do with heads.
    a.reads.length = 0;
    const piece = 37 * bytesOfElements(type, 2048);
    for (let at = 0; at < source.sizeBytes; at += piece) await source.read(at, new Uint8Array(Math.min(piece, source.sizeBytes - at)));
    expect(Math.max(...a.reads.map(({ into }) => into.buffer.byteLength))).toBeLessThanOrEqual(GATHER_BYTES);
  });

  it('the weights of a checkpoint share the buffers that rows pass through', async () => {
    const shape = [512, 1024];
    const entries = Array.from({ length: 6 }, (_, i) => countedEntry(`w${i}`, 'f32', shape));
    const read = weightReader(countedCheckpoint(...entries.map(({ entry }) => entry)));
    const sources = entries.map(({ entry }) => read(entry.name, permuteHeads(tensor(entry.name, shape), 8, 'halves')));
    const into = new Uint8Array(sources[0]!.sizeBytes);
    for (let i = 0; i < 6; i += 2) await Promise.all([sources[i]!.read(0, into), sources[i + 1]!.read(0, into)]);
    const buffers = new Set(entries.flatMap(({ reads }) => reads.map(({ into: part }) => part.buffer)));
    expect(entries.map(({ reads }) => reads.length)).toEqual([2, 2, 2, 2, 2, 2]);
    expect(buffers.size).toBe(2);
  });

  it('rows that are longer than what is held go two at a time', async () => {
    const shape = [8, GATHER_BYTES];
    const a = countedEntry('a', 'f32', shape);
    const source = weightReader(countedCheckpoint(a.entry))('w', permuteHeads(tensor('a', shape), 2, 'pairs'));
    await source.read(0, new Uint8Array(8 * 4 * GATHER_BYTES));
    expect(Math.max(...a.reads.map(({ into }) => into.buffer.byteLength))).toBeLessThanOrEqual(8 * GATHER_BYTES);
  });

  it('values that are added to pass through it too', async () => {
    const a = countedEntry('a', 'f16', [3_000_001]);
    const source = weightReader(countedCheckpoint(a.entry))('w', plus(tensor('a', [3_000_001]), 1));
    await source.read(0, new Uint8Array(source.sizeBytes));
    expect(Math.max(...a.reads.map(({ into }) => into.buffer.byteLength))).toBeLessThanOrEqual(GATHER_BYTES);
    expect(a.total()).toBe(a.entry.sizeBytes);
  });
});

it('an abort ends a read between its parts, with its reason', async () => {
  const shape = [4096, 1024];
  for (const of of [
    (whole: WeightExpression) => permuteHeads(whole, 16, 'halves'),
    (whole: WeightExpression) => transposeHeads(whole, 16, 16),
    (whole: WeightExpression) => stack(Array.from({ length: 20 }, () => whole)),
    (whole: WeightExpression) => plus(reshape(whole, [4096 * 1024]), 1),
  ]) {
    const a = countedEntry('a', 'f32', shape);
    const controller = new AbortController();
    const entry: TensorEntry = {
      ...a.entry,
      async read(byteOffset, into) {
        await a.entry.read(byteOffset, into);
        if (a.reads.length === 3) controller.abort(new Error('enough'));
      },
    };
    const source = weightReader(countedCheckpoint(entry))('w', of(tensor('a', shape)));
    await expect(source.read(0, new Uint8Array(source.sizeBytes), { signal: controller.signal })).rejects.toThrow('enough');
    expect(a.reads).toHaveLength(3);
  }
});
