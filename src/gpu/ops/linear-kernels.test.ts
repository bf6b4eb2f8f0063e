import { describe, expect, it } from 'vitest';
import type { LinearShape } from '../linear-shape.ts';
import type { RowClass } from '../plan/kernel-use.ts';
import { PROFILES } from '../profile/profiles.ts';
import type { ProfileName } from '../profile/device-profile.ts';
import { productKernels } from './linear-kernels.ts';

/** A product of Qwen3-4B, `down`. */
const DOWN: LinearShape = {
  cols: 9728, parts: [{ type: 'q4_0', rows: 2560 }], input: 'q8', norm: undefined, bias: false, gated: false, residual: true,
  outputs: { f32: true, q8: undefined },
};

const optionsOf = (name: ProfileName) => ({ profile: PROFILES[name] }) as Parameters<typeof productKernels>[2];

const labelsOf = (name: ProfileName, rows: RowClass, shape = DOWN) =>
  productKernels(shape, rows, optionsOf(name)).map(({ kernel }) => kernel.label.split(' ')[0]);

describe('kernels of a product by its rows', () => {
  it('5 to 8 rows take matrix units where they were measured to be faster, as one tile in parts', () => {
    const qkv = { ...DOWN, cols: 1024, parts: [{ type: 'q4_0', rows: 4096 }] } as const;
    const gateAndUp: LinearShape = {
      ...DOWN, cols: 2560, parts: [{ type: 'q4_0', rows: 19_456 }], gated: 'silu', residual: false,
      outputs: { f32: false, q8: { norm: undefined } },
    };
    expect(labelsOf('nvidia', 8, qkv)).toEqual(['matrix-gemm', 'matrix-combine']);
    expect(labelsOf('nvidia', 8)).toEqual(['gemv-int8']);
    expect(labelsOf('nvidia', 8, gateAndUp)).toEqual(['gemv-int8']);
    expect(labelsOf('nvidia', 8, { ...DOWN, parts: [{ type: 'q4_k', rows: 2560 }] })).toEqual(['matrix-gemm', 'matrix-combine']);
    expect(labelsOf('nvidia', 4)).toEqual(['gemv-int8']);
    expect(labelsOf('apple-m3', 8, { ...DOWN, input: 'f32' })).toEqual(['gemv-float']);
  });

  it('a shape without whole quads keeps the GEMV', () => {
    expect(labelsOf('nvidia', 8, { ...DOWN, parts: [{ type: 'q4_0', rows: 2558 }] })).toEqual(['gemv-int8']);
  });

  it('of many rows those kernels have workgroups whose rows they are', () => {
    const products = productKernels(DOWN, 'many', optionsOf('nvidia'));
    for (const rows of [9, 16, 17, 64, 65, 128, 129, 512, 513, 2048]) {
      const active = products.filter(({ workgroups }) => workgroups(rows)[0] > 0).map(({ kernel }) => kernel.label.split(' ')[0]);
      expect(active.filter((label) => label === 'matrix-gemm')).toHaveLength(1);
    }
  });
});
