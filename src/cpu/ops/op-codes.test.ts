/** Numbers of ops in records, which two rooms have: one that two ops share has each run as the other. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CPU_OPS } from './index.ts';

it('every op has a number of its own, the same here and in the kernels', () => {
  const source = readFileSync(new URL('../assembly/program.ts', import.meta.url), 'utf8');
  const kernels = [...source.matchAll(/^const OP_(\w+): i32 = (\d+);$/gm)].map(([, , code]) => Number(code)).toSorted((a, b) => a - b);
  // Products of experts, gated or not, are one op of the kernels.
  const { gatedExperts, ...ops } = CPU_OPS;
  expect(gatedExperts.code).toBe(ops.expertLinear.code);
  const codes = Object.values(ops).map(({ code }) => code).toSorted((a, b) => a - b);
  expect(codes.filter((code, i) => code === codes[i + 1])).toEqual([]);
  expect(kernels.filter((code, i) => code === kernels[i + 1])).toEqual([]);
  expect(codes.filter((code) => !kernels.includes(code))).toEqual([]);
});
