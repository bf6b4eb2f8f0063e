/** The op of a product, for the files that make, cut and run it. */
import type { ActivationName } from '../../graph/ops/activation.ts';
import type { WeightRef } from '../../graph/value.ts';
import type { LinearActivation } from '../linear-shape.ts';
import type { NormWeight, Rounding } from '../plan/gpu-op-rules.ts';
import type { AddNormOp } from './add-norm.ts';

export interface LinearPart {
  readonly weight: WeightRef;
  readonly bias: WeightRef | undefined;
}

/** What an `addNorm` does, done by the product that reads its result. */
export interface SumBefore extends Pick<AddNormOp, 'norm' | 'by' | 'rounding'> {
  /** Whether the sum is written too. */
  readonly isKept: boolean;
}

/**
 * Inputs: x (f32, q8 or q8n), or the two that a sum is made of, then the residual, or the other factor of an activated product, where there
 * is one. Outputs: f32, rounded, or both, told apart by dtype; then a sum that is kept.
 */
export interface LinearOp {
  readonly kind: 'linear';
  /** Rows one after another; of a gated product gate and up, interleaved. */
  readonly parts: readonly LinearPart[];
  /** What x is before the product, where its kernels make it. Excludes residual; for one row only. */
  readonly sum: SumBefore | undefined;
  /** RMS norm of an f32 input. */
  readonly norm: NormWeight | undefined;
  /** The function of the gate. */
  readonly gated: ActivationName | false;
  readonly residual: boolean;
  /** A function of the result, and what that is multiplied by: columns of the last input. */
  readonly activation: LinearActivation | undefined;
  readonly rounding: Rounding | undefined;
}

/** A product and nothing else. */
export function plainProduct(parts: readonly LinearPart[]): LinearOp {
  return {
    kind: 'linear', parts, sum: undefined, norm: undefined, gated: false, residual: false, activation: undefined, rounding: undefined,
  };
}

/** Whether an op is the product of one matrix and nothing else. */
export function isPlainProduct({ parts, sum, norm, gated, residual, activation, rounding }: LinearOp): boolean {
  return parts.length === 1 && !sum && !norm && !gated && !residual && !activation && !rounding;
}
