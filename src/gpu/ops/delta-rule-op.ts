/** The gated delta rule as a step of a GPU plan. */
import type { DeltaRuleOp as GraphDeltaRuleOp } from '../../graph/ops/delta-rule.ts';
import type { DeltaRuleVariant } from '../kernels/delta-rule/delta-rule-variant.ts';
import type { NormWeight } from '../plan/gpu-op-rules.ts';

/** Inputs: qkv, a and b; with gates qkv and the value whose columns they are. */
export interface DeltaRuleOp extends GraphDeltaRuleOp {
  readonly gates: DeltaRuleVariant['gates'];
  /** Of each head of the result, which is then gated by silu of z. */
  readonly norm: NormWeight | undefined;
}
