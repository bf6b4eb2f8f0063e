/** Attention as a step of a GPU plan, whose heads are prepared as they are read. */
import type { AttentionOp as GraphAttentionOp } from '../../graph/ops/attention.ts';
import type { RopeTable } from '../../graph/ops/rope.ts';
import type { StoredAttentionOp as GraphStoredAttentionOp } from '../../graph/ops/stored-attention.ts';
import type { NormWeight } from '../plan/gpu-op-rules.ts';

/** What happens to heads before they are used: norm, then rotation. */
export interface HeadPreparation {
  readonly norm: NormWeight | undefined;
  readonly table: RopeTable | undefined;
}

/**
 * Inputs: q, k, v (or all three in one value, row by row, where `joined`), where `shifted` what is added to positions before heads turn,
 * positions. Where it is `stored`, another layer's step has written the keys and values, and the inputs are q and positions. Output: f32 or
 * q8.
 */
export interface AttentionOp extends GraphAttentionOp {
  readonly q: HeadPreparation;
  readonly k: HeadPreparation;
  /** The norm of v's heads, whose gain is 1. */
  readonly vNorm: NormWeight | undefined;
  readonly joined: boolean;
  readonly stored: boolean;
  /** The joined value ends in gates of the result (attention-shape.ts). */
  readonly gated?: true | undefined;
  readonly shifted?: true | undefined;
}

const PLAIN = { norm: undefined, table: undefined };

/** The graph's op, whose heads are prepared before it. */
export function asIs(op: GraphAttentionOp): AttentionOp {
  return { ...op, q: PLAIN, k: PLAIN, vNorm: undefined, joined: false, stored: false };
}

/** The same over the state of another layer, which has no keys and values of its own. */
export function overStored(op: GraphStoredAttentionOp): AttentionOp {
  return { ...asIs({ ...op, kind: 'attention', causal: true, window: op.state.window, ahead: 0 }), stored: true };
}
