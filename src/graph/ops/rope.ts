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
  /** Positions have several axes (of an image: its time, row and column): the axis of each frequency. Absent: there is one. */
  readonly axes?: readonly number[] | undefined;
}

/** How many positions a row has. */
export function axesOf({ axes }: Pick<RopeTable, 'axes'>): number {
  return axes === undefined ? 1 : Math.max(...axes) + 1;
}

/**
 * Halves form: in every head x[i] and x[i + rotaryDim / 2] turn by angle i; the rest of the head passes.
 * Su et al. 2021. Inputs: x [rows, heads * headDim], positions [rows], or [rows, axes] of a table with axes; shift [rows], i32, or none:
 * what is added to positions before a row is turned, where it turns by another position than it is kept at.
 */
export interface RopeOp {
  readonly kind: 'rope';
  readonly heads: number;
  readonly headDim: number;
  readonly table: RopeTable;
}

export type RopeFields = Pick<RopeOp, 'heads' | 'headDim' | 'table'> & { readonly positions: Value; readonly shift?: Value | undefined };

export function rope(g: OpSink<RopeOp>, name: string, x: Value, { heads, headDim, table, positions, shift }: RopeFields): Value {
  return g.op(name, { kind: 'rope', heads, headDim, table }, shift === undefined ? [x, positions] : [x, positions, shift]);
}

export const ropeRules: OpRules<RopeOp> = {
  weights: () => [],
  shape({ heads, headDim, table }, [x, positions, shift], check) {
    const { outer } = check.rowsOf(x);
    check.shape('x', x?.shape ?? [], [outer, heads * headDim]);
    check.shape('positions', positions?.shape ?? [], table.axes === undefined ? [outer] : [outer, axesOf(table)]);
    if (shift !== undefined) check.shape('shift', shift.shape, [outer]);
    const { length } = table.frequencies;
    if (table.axes !== undefined && (table.axes.length !== length || shift !== undefined))
      check.fail(`an axis for each of ${length} frequencies, and no shift`, `${table.axes.length}`);
    if (length * 2 > headDim) check.fail(`at most ${headDim / 2} frequencies for headDim ${headDim}`, String(length));
    return [outer, heads * headDim];
  },
  print: ({ heads, headDim, table }) =>
    `heads=${heads} headDim=${headDim} table=${table.id}${table.axes === undefined ? '' : ` axes=${axesOf(table)}`}`,
};
