/** What the kernel of the delta rule row by row (delta-rule.ts) is made for. */
import type { KeyHeadMap } from '../../../graph/ops/delta-rule.ts';

/**
 * Bindings `qkv` f32 [rows, 2 * keyHeads * keyDim + valueHeads * valueDim], `rates` f32: the decays [valueHeads], then the biases
 * [valueHeads], then, with a norm, its gain [valueDim]; `state` f32 [slot, valueHeads, valueDim, keyDim], `rowSequence` [rows], `slots`
 * [sequences] of (first row, rows, slot read, slot written). a and b: `a` and `b` f32 [rows, valueHeads], or columns of `gates`. Writes
 * `y` f32 [rows, valueHeads * valueDim], or, as `q8`, `yCodes` and `yStats` (valueDim a multiple of 32).
 */
export interface DeltaRuleVariant {
  readonly keyHeads: number;
  readonly valueHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  readonly keyHeadMap: KeyHeadMap;
  /** Columns of `gates` [rows, of] where a, b and z begin. */
  readonly gates: { readonly of: number; readonly a: number; readonly b: number; readonly z: number } | undefined;
  /** y = silu(z) * gain * y / rms(y) of each head; only with `gates`. */
  readonly norm: { readonly eps: number } | undefined;
  readonly output: 'f32' | 'q8';
  /** Undefined: sums go through workgroup memory. */
  readonly subgroupSize: number | undefined;
  /** A power of two from 16 on. */
  readonly invocations: number;
}
