/**
 * The semantic ops. They say what is computed, not how: executors plan and fuse them.
 * Every op works on `rows` independent rows, except attention, which looks along each sequence.
 */
import type { KvState, WeightRef } from './value.ts';

/** Rows of a table: out[r] = weight[tokens[r]]. Inputs: tokens [rows]. */
export interface EmbedOp {
  readonly kind: 'embed';
  readonly weight: WeightRef;
}

/**
 * y = gain * x / sqrt(mean(x^2) + eps) over each of `groups` equal parts of the row, which share one gain
 * (groups > 1: per-head norms). Zhang and Sennrich 2019. Inputs: x [rows, groups * n]; weight [n].
 */
export interface RmsNormOp {
  readonly kind: 'rmsNorm';
  readonly weight: WeightRef;
  readonly eps: number;
  readonly groups: number;
}

/** y = W x + b. Inputs: x [rows, in]; weight [out, in]; bias [out]. */
export interface LinearOp {
  readonly kind: 'linear';
  readonly weight: WeightRef;
  readonly bias: WeightRef | undefined;
}

/** Frequencies of rotary position embedding: angle = position * frequencies[i]. Shared by all layers that name the same object. */
export interface RopeTable {
  readonly id: string;
  /** Radians per position, length rotaryDim / 2. */
  readonly frequencies: Float64Array;
}

/**
 * Rotary embedding, halves form: in every head x[i] and x[i + rotaryDim / 2] turn by angle i; the rest of the head passes.
 * Su et al. 2021. Inputs: x [rows, heads * headDim], positions [rows].
 */
export interface RopeOp {
  readonly kind: 'rope';
  readonly heads: number;
  readonly headDim: number;
  readonly table: RopeTable;
}

/**
 * Writes k and v of every row into `state` at its position, then softmax(q k^T * scale) v over the sequence's
 * positions 0..own (causal). Query head h reads key head floor(h / (heads / kvHeads)).
 * Inputs: q [rows, heads * headDim], k and v [rows, kvHeads * headDim], positions [rows].
 */
export interface AttentionOp {
  readonly kind: 'attention';
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly scale: number;
  readonly state: KvState;
}

/** y = silu(gate) * up. Shazeer 2020. Inputs: gate, up [rows, n]. */
export interface SwigluOp {
  readonly kind: 'swiglu';
}

/** y = a + b. Inputs of equal shape. */
export interface AddOp {
  readonly kind: 'add';
}

/** The rows whose logits are wanted: y[i] = x[indices[i]]. Inputs: x [rows, n], indices [outRows]. */
export interface GatherRowsOp {
  readonly kind: 'gatherRows';
}

export type GraphOp = EmbedOp | RmsNormOp | LinearOp | RopeOp | AttentionOp | SwigluOp | AddOp | GatherRowsOp;

/** The weights an op reads, in a fixed order. */
export function weightsOf(op: GraphOp): readonly WeightRef[] {
  switch (op.kind) {
    case 'embed':
    case 'rmsNorm':
      return [op.weight];
    case 'linear':
      return op.bias === undefined ? [op.weight] : [op.weight, op.bias];
    case 'rope':
    case 'attention':
    case 'swiglu':
    case 'add':
    case 'gatherRows':
      return [];
    default:
      throw new Error(`op without a rule for its weights: ${JSON.stringify(op satisfies never)}`);
  }
}
