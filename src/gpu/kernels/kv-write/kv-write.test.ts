import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { BufferData, TestDevice } from '../../../../test/gpu-harness.ts';
import { compareCache, makeAttentionCase, shapeOf } from '../../../../test/gpu/attention-case.ts';
import type { CaseSequence } from '../../../../test/gpu/attention-case.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { f32ToF16 } from '../../../tensor/half.ts';
import { kvWriteKernel, kvWriteWorkgroups } from './kv-write.ts';

const norm = { eps: 1e-5 };
const MIXED: readonly CaseSequence[] = [{ start: 0, rows: 33 }, { start: 31, rows: 1 }, { start: 13, rows: 20 }];

const CASES: readonly (readonly [name: string, shape: AttentionShape, sequences: readonly CaseSequence[]])[] = [
  ['joined, norm and rope', shapeOf({}), MIXED],
  ['separate, f16', shapeOf({ input: 'separate', kv: 'f16', headDim: 64 }), MIXED],
  ['f16 with pads', shapeOf({ kv: 'f16', headDim: 20 }), MIXED],
  ['f32, half of the rotary part not whole quads', shapeOf({ headDim: 20 }), MIXED],
  ['no norm, part of the head turns', shapeOf({ headDim: 64, q: { rotaryDim: 16 }, k: { rotaryDim: 16 } }), MIXED],
  ['norm, an odd part turns', shapeOf({ headDim: 16, q: { rotaryDim: 0 }, k: { norm, rotaryDim: 10 } }), MIXED],
  ['neither', shapeOf({ headDim: 128, kv: 'f16', k: { rotaryDim: 0 }, kvHeads: 1, heads: 3 }), [{ start: 5, rows: 3 }]],
  ['keys of 32, values of 20, f16', shapeOf({ keyDim: 32, valueDim: 20, kv: 'f16' }), MIXED],
  ['keys of 16, values of 48, separate', shapeOf({ keyDim: 16, valueDim: 48, input: 'separate' }), MIXED],
  ['norms of k and v without gains', shapeOf({ k: { norm: { ...norm, ungained: true }, rotaryDim: 16 }, v: { norm } }), MIXED],
  [
    'a norm of v, keys of 16, values of 20, f16, separate',
    shapeOf({ keyDim: 16, valueDim: 20, kv: 'f16', v: { norm }, input: 'separate' }), MIXED,
  ],
  ['q8, keys of 64, values of 48, norms', shapeOf({ keyDim: 64, valueDim: 48, kv: 'q8', v: { norm } }), MIXED],
  ['q4, width 80, separate', shapeOf({ headDim: 80, kv: 'q4', input: 'separate', kvHeads: 1, heads: 3 }), MIXED],
  ['keys of q8, values of q4', shapeOf({ headDim: 32, kv: 'q8', valueKv: 'q4' }), MIXED],
  ['keys of f16 with pads, values of q4', shapeOf({ headDim: 20, kv: 'f16', valueKv: 'q4' }), [{ start: 5, rows: 3 }]],
  ['pages of 12 positions', shapeOf({ pageTokens: 12, kvHeads: 3, heads: 6 }), MIXED],
];

describe('kv-write', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  it.each(CASES)('%s', async (_, shape, sequences) => {
    const problem = makeAttentionCase(shape, sequences);
    const variant = { shape, invocations: 64 };
    const out = await test.run({
      kernel: kvWriteKernel(variant),
      workgroups: kvWriteWorkgroups(variant, problem.rows),
      buffers: problem.buffers,
    });
    const cache = out.get('kv') as BufferData;
    expect(compareCache(problem, cache)).toBeUndefined();
    const wrong = cache.slice();
    (wrong as Uint32Array)[wrong.findIndex((value) => !Number.isNaN(value) && value !== 0 && value !== 0x7e007e00)]! *= 2;
    expect(compareCache(problem, wrong)).toMatch(/^cache/);
  });

  it.each([
    ['f16', shapeOf({ kv: 'f16', k: { rotaryDim: 0 }, input: 'separate' })],
    ['f16 beside codes', shapeOf({ kv: 'q4', valueKv: 'f16', k: { rotaryDim: 0 }, input: 'separate' })],
  ] as const)('%s: what it does not hold is infinite, and NaN stays NaN, as on the CPU', async (_, shape) => {
    const problem = makeAttentionCase(shape, [{ start: 0, rows: 16 }]);
    const wild = [1, 65_504, 65_519, 65_520, -65_519, -65_520, 1e30, Infinity, -Infinity, NaN, -1e30, 3e-8];
    const values = Float32Array.from(problem.buffers['v'] as Float32Array, (value, i) => wild[i] ?? value);
    const variant = { shape, invocations: 64 };
    const out = await test.run({
      kernel: kvWriteKernel(variant), workgroups: kvWriteWorkgroups(variant, problem.rows), buffers: { ...problem.buffers, v: values },
    });
    const { buffer, byteOffset, byteLength } = out.get('kv') as BufferData;
    const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
    const wanted = wild.map((value) => f32ToF16(value) & (Number.isNaN(value) ? 0x7fff : 0xffff));
    const isThere = (at: number) => wanted.every((half, i) => half === (halves[at + i]! & (half === 0x7e00 ? 0x7fff : 0xffff)));
    expect([...halves.keys()].filter(isThere)).toHaveLength(1);
  });

  it('has one key for shapes that differ only in what it does not read', () => {
    const shape = shapeOf({});
    const scores = { scale: 3, softcap: 2, sinks: true, window: 3, causal: false } as const;
    const other: AttentionShape = { ...shape, ...scores, output: 'q8', q: { rotaryDim: 0 } };
    const [a, b] = [shape, other].map((each) => kvWriteKernel({ shape: each, invocations: 64 }));
    expect([b?.key, b?.wgsl]).toEqual([a?.key, a?.wgsl]);
  });
});
