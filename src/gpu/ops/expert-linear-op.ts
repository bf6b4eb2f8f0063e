/** The op of a product with experts, for the files that make, cut and run it. */
import type { ActivationName, GateClamp } from '../../graph/ops/activation.ts';
import type { NormWeight, Rounding } from '../plan/gpu-op-rules.ts';
import type { LinearPart } from './linear-op.ts';

/**
 * Inputs: x; routes, of a single row, or lists of them; then the residual where there is one, or what a step before has written for other
 * experts. Outputs: f32, rounded, or both, told apart by dtype.
 */
export interface ExpertLinearOp {
  readonly kind: 'expertLinear';
  /** Weight [experts, out, in], bias [experts, out]: one; of a gated product gate and up, interleaved. */
  readonly parts: readonly LinearPart[];
  /** As many, [out, in] without biases, of an expert that all rows go to, which counts as the last; none: there is none. */
  readonly shared: readonly LinearPart[];
  /** x has a vector for each expert of a row. */
  readonly each: boolean;
  /** RMS norm of an f32 input that is not `each`. */
  readonly norm: NormWeight | undefined;
  /** The function of the gate. */
  readonly gated: ActivationName | false;
  /** Of the gate. */
  readonly clamp: GateClamp | undefined;
  /** The results of a row's experts times their weights, added up; reads routes. */
  readonly summed: boolean;
  /** Added last, to a sum. */
  readonly residual: boolean;
  readonly rounding: Rounding | undefined;
  /** Absent: its experts are all that there are. */
  readonly piece?: MatricesOfExperts | undefined;
}

/** Experts whose matrices a step reads, of those that a layer's weights are cut into; all others are left to steps before and behind. */
export interface MatricesOfExperts {
  /** Numbers of the first matrix and of the one past the last. */
  readonly from: number;
  readonly to: number;
  /** Results of experts elsewhere are those of the third input. Not of a sum. */
  readonly before: boolean;
}

/** A product and nothing else. */
export function plainExpertProduct(parts: readonly LinearPart[], each: boolean): ExpertLinearOp {
  const plain = { norm: undefined, gated: false, clamp: undefined, summed: false, residual: false, rounding: undefined } as const;
  return { kind: 'expertLinear', parts, shared: [], each, ...plain };
}
