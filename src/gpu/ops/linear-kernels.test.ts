import { describe, expect, it } from 'vitest';
import type { LinearShape } from '../linear-shape.ts';
import type { RowClass } from '../plan/kernel-use.ts';
import { PROFILES } from '../profile/profiles.ts';
import type { ProfileName } from '../profile/device-profile.ts';
import { int8Form } from './int8-form.ts';
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

  it('small products of 9 to 16 rows take two passes of a GEMV, side by side over the same rows of W', () => {
    const o = { ...DOWN, cols: 4096 };
    const activeAt = (rows: number) => productKernels(o, 'many', optionsOf('nvidia')).filter(({ workgroups }) => workgroups(rows)[0] > 0);
    for (const rows of [9, 16]) expect(activeAt(rows).map(({ kernel, workgroups }) => [kernel.label, workgroups(rows)])).toEqual([
      ['gemv-int8 q4_0 [2560, 4096] x8', [320, 1, 1]],
    ]);
    for (const rows of [17, 512]) expect(activeAt(rows)[0]?.kernel.label).toMatch(/^matrix-/);
    expect(labelsOf('nvidia', 'many').filter((label) => label === 'gemv-int8')).toEqual([]);
  });

  it('lanes of a row are those that have groups: parts of a subgroup for rows that would leave lanes of a whole one idle', () => {
    const formOf = (cols: number, batch: 1 | 2 | 4 | 8, rows = 19_456) => {
      const shape: LinearShape = { ...DOWN, cols, parts: [{ type: 'q4_0', rows }], gated: 'silu', residual: false };
      const { gemvInt8: knobs } = PROFILES.nvidia.knobs;
      const { rowsPerWorkgroup, subgroupsPerRow, rowsPerSlot } = int8Form({ shape, batch, subgroupSize: 32, knobs });
      return [rowsPerWorkgroup, subgroupsPerRow, rowsPerSlot];
    };
    expect(formOf(2560, 1)).toEqual([32, 1, 4]);
    expect(formOf(2560, 2)).toEqual([32, 1 / 2, 4]);
    expect(formOf(2560, 8)).toEqual([32, 1 / 4, 4]);
    expect(formOf(3072, 8)).toEqual([32, 1, 4]);
    expect(formOf(1024, 8, 6144)).toEqual([32, 1, 2]);
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
