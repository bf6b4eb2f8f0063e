/** The op of a product, for the files that make, cut and run it. */
import type { ActivationName } from '../../graph/ops/activation.ts';
import type { WeightRef } from '../../graph/value.ts';
import type { LinearActivation } from '../linear-shape.ts';
import type { NormWeight, Rounding } from '../plan/gpu-op-rules.ts';

export interface LinearPart {
  readonly weight: WeightRef;
  readonly bias: WeightRef | undefined;
}

/**
 * Inputs: x (f32, q8 or q8n), then the residual, or the other factor of an activated product, where there is one. Outputs: f32, rounded,
 * or both, told apart by dtype.
 */
export interface LinearOp {
  readonly kind: 'linear';
  /** Rows one after another; of a gated product gate and up, interleaved. */
  readonly parts: readonly LinearPart[];
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
  return { kind: 'linear', parts, norm: undefined, gated: false, residual: false, activation: undefined, rounding: undefined };
}
