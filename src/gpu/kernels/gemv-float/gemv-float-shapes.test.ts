import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkGemvFloat, NONE, SUBGROUP, TEAMS, variantOf, WORKGROUP } from '../../../../test/gpu/gemv-float-check.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { gemvFloatKernel, gemvFloatWorkgroups } from './gemv-float.ts';

describe('gemvFloatKernel by shape', () => {
  let device: TestDevice;
  beforeAll(async () => {
    device = await openTestDevice();
  });
  afterAll(() => device.close());

  it.each([5, 16, 33])('pairs %s rows of gate and up', async (rows) => {
    await checkGemvFloat(device, variantOf({ cols: 32, parts: [{ type: 'q8_0', rows: 2 * rows }], gated: 'silu', bias: true }));
    await checkGemvFloat(
      device,
      variantOf({ cols: 32, parts: [{ type: 'f16', rows: 2 * rows }], gated: 'silu' }, { ...WORKGROUP, batch: 2 }),
    );
  });

  it.each([
    ['q4_k', 'q6_k'],
    ['q8_0', 'q4_0', 'f32'],
    ['f16', 'bf16', 'q4_k'],
    ['mxfp8', 'iq4_xs', 'q2_k'],
    ['iq4_nl', 'mxfp4', 'nvfp4'],
  ] as const)('parts of different types: $0, $1', async (...types) => {
    const parts = types.filter((type) => type !== undefined).map((type, n) => ({ type, rows: 11 + 6 * n }));
    const shape = { parts, norm: { eps: 1e-5 }, residual: true, bias: true };
    for (const team of TEAMS) await checkGemvFloat(device, variantOf(shape, { ...team, rowsPerTeam: 1 }));
    await checkGemvFloat(device, variantOf(shape, { batch: 2, rowsPerTeam: 1 }));
  });

  it.each([
    { ...SUBGROUP, batch: 2 },
    { ...WORKGROUP, rowsPerTeam: 1, batch: 4 },
    { ...NONE, batch: 8 },
    { ...SUBGROUP, rowsPerTeam: 1, batch: 8 },
  ] as const)('$reduction: some columns of $batch, and more than $batch', async ({ batch, ...team }) => {
    const variant = variantOf({ cols: 32 }, { ...team, batch });
    for (const xRows of [1, 2 * batch - 1]) await checkGemvFloat(device, variant, { xRows, maxRows: 2 * batch + 1 });
  });

  it('every number of rows of a team, and long rows', async () => {
    for (const [rowsPerTeam, team] of [[1, SUBGROUP], [4, SUBGROUP], [4, WORKGROUP], [4, NONE]] as const) {
      await checkGemvFloat(device, variantOf({ cols: 1696, parts: [{ type: 'q8_0', rows: 5 }] }, { ...team, rowsPerTeam }));
      await checkGemvFloat(device, variantOf({ cols: 1701, parts: [{ type: 'f16', rows: 5 }] }, { ...team, rowsPerTeam }));
    }
  });

  it.each(TEAMS)('a function of the result, and its product with columns of another value: $reduction', async (team) => {
    const shape = { cols: 96, parts: [{ type: 'q8_0', rows: 21 }], norm: { eps: 1e-5 } } as const;
    await checkGemvFloat(device, variantOf({ ...shape, activation: { fn: 'geluTanh', times: { start: 21, of: 70 } } }, team));
    await checkGemvFloat(device, variantOf({ ...shape, bias: true, activation: { fn: 'gelu', times: undefined } }, team));
    await checkGemvFloat(device, variantOf({ ...shape, activation: { fn: 'silu', times: { start: 0, of: 21 } } }, { ...team, batch: 2 }));
    await checkGemvFloat(device, variantOf({ ...shape, activation: { fn: 'softcap', cap: 0.5 } }, team));
  });

  it('more workgroups than one dimension holds', async () => {
    const variant = variantOf({ cols: 4, parts: [{ type: 'f32', rows: 70000 }] }, { rowsPerTeam: 1, teams: 1 });
    expect(gemvFloatWorkgroups(variant, 1)[1]).toBe(2);
    await checkGemvFloat(device, variant);
  });

  it('says what it does not do', () => {
    expect(() => gemvFloatKernel(variantOf({ input: 'q8' }))).toThrow('input is q8');
    expect(() => gemvFloatKernel(variantOf({ outputs: { f32: true, q8: { norm: undefined } } }))).toThrow('f32 only');
    expect(() => gemvFloatKernel(variantOf({ gated: 'silu', residual: true, parts: [{ type: 'f32', rows: 32 }] }))).toThrow('gated');
    expect(() => gemvFloatKernel(variantOf({}, { reduction: 'none' }))).toThrow('lanes');
    expect(() => gemvFloatKernel(variantOf({}, { ...WORKGROUP, batch: 8, rowsPerTeam: 4, lanes: 32, teams: 8 }))).toThrow(
      'workgroup memory',
    );
  });
});
