/** Rotary position embedding. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value } from '../value.ts';

/** Frequencies of rotary position embedding: angle = position * frequencies[i]. Shared by all layers that name the same object. */
export interface RopeTable {
  readonly id: string;
  /** Radians per position, length rotaryDim / 2. */
  readonly frequencies: Float64Array;
  /** Factor of cosine and sine, and so of what turns (YaRN, Peng et al. 2023; LongRoPE); absent: 1. */
  readonly magnitude?: number | undefined;
}

/**
 * Halves form: in every head x[i] and x[i + rotaryDim / 2] turn by angle i; the rest of the head passes.
 * Su et al. 2021. Inputs: x [rows, heads * headDim], positions [rows].
 */
export interface RopeOp {
  readonly kind: 'rope';
  readonly heads: number;
  readonly headDim: number;
  readonly table: RopeTable;
}

export type RopeFields = Pick<RopeOp, 'heads' | 'headDim' | 'table'> & { readonly positions: Value };

export function rope(g: OpSink<RopeOp>, name: string, x: Value, { heads, headDim, table, positions }: RopeFields): Value {
  return g.op(name, { kind: 'rope', heads, headDim, table }, [x, positions]);
}

export const ropeRules: OpRules<RopeOp> = {
  weights: () => [],
  shape({ heads, headDim, table }, [x, positions], check) {
    const { outer } = check.rowsOf(x);
    check.shape('x', x?.shape ?? [], [outer, heads * headDim]);
    check.shape('positions', positions?.shape ?? [], [outer]);
    const { length } = table.frequencies;
    if (length * 2 > headDim) check.fail(`at most ${headDim / 2} frequencies for headDim ${headDim}`, String(length));
    return [outer, heads * headDim];
  },
  print: ({ heads, headDim, table }) => `heads=${heads} headDim=${headDim} table=${table.id}`,
};
