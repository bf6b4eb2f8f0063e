/** The float GEMV's variants under test, and running one on random data. */
import { expect } from 'vitest';
import { gemvFloatKernel, gemvFloatWorkgroups } from '../../src/gpu/kernels/gemv-float/gemv-float.ts';
import type { GemvFloatVariant } from '../../src/gpu/kernels/gemv-float/gemv-float.ts';
import type { LinearShape } from '../../src/gpu/linear-shape.ts';
import { canRun } from '../gpu-harness.ts';
import type { TestDevice } from '../gpu-harness.ts';
import { checkProduct } from './check-product.ts';

const SHAPE: LinearShape = {
  cols: 256, parts: [{ type: 'q4_0', rows: 21 }], input: 'f32', norm: undefined, bias: false, gated: false, residual: false,
  outputs: { f32: true, q8: undefined },
};

/** SwiftShader's subgroups have 4 lanes; the check takes the device's number. */
export const SUBGROUP = { reduction: 'subgroup', lanes: 4, rowsPerTeam: 2, teams: 4 } as const;
export const WORKGROUP = { reduction: 'workgroup', lanes: 16, rowsPerTeam: 2, teams: 4 } as const;
export const NONE = { reduction: 'none', lanes: 1, rowsPerTeam: 1, teams: 64 } as const;
export const TEAMS = [SUBGROUP, WORKGROUP, NONE];

export function variantOf(shape: Partial<LinearShape>, rest: Partial<GemvFloatVariant> = {}): GemvFloatVariant {
  return { shape: { ...SHAPE, ...shape }, batch: 1, arithmetic: 'integer', ...SUBGROUP, ...rest };
}

/** The same text for adapters without f16: x is rounded to f32 instead. */
export function withoutF16(wgsl: string): string {
  return wgsl.replace('enable f16;', '').replaceAll('f16>', 'f32>');
}

interface CheckOptions {
  readonly xRows: number;
  /** Rows that were dispatched. Default: xRows. */
  readonly maxRows?: number | undefined;
  readonly edit?: ((wgsl: string) => string) | undefined;
}

/** Runs a variant on random data with `xRows` columns of x (default: its batch) and compares it with float64. */
export async function checkGemvFloat(
  device: TestDevice,
  asked: GemvFloatVariant,
  { xRows, maxRows = xRows, edit }: CheckOptions = { xRows: asked.batch },
): Promise<void> {
  const lanes = asked.reduction === 'subgroup' ? (device.subgroupSize ?? asked.lanes) : asked.lanes;
  const variant = { ...asked, lanes };
  const { shape } = variant;
  const made = gemvFloatKernel(variant);
  const kernel = edit ? { ...made, wgsl: edit(made.wgsl), needs: { ...made.needs, f16: false } } : made;
  expect(canRun(device, kernel)).toBe(true);
  await checkProduct(device, {
    kernel,
    workgroups: gemvFloatWorkgroups(variant, maxRows),
    shape,
    xRows,
    heldRows: maxRows,
    seed: shape.cols + xRows,
  });
}
