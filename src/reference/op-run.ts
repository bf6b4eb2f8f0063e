/** What the reference executor's ops see of a run. */
import type { SequenceRows, WeightSource } from '../graph/executor.ts';
import type { PagedState, SlotState } from '../graph/state.ts';
import type { Dim, Value } from '../graph/value.ts';

/** Reads the key (part 0) or value (part 1) vectors [heads * dim] of a position; writing to what it returns stores them. */
export type KvReader = (part: 0 | 1, position: number) => Float64Array;

export interface OpRun {
  readonly sequences: readonly SequenceRows[];
  /** Of a dim in this run. */
  size(dim: Dim): number;
  floats(value: Value | undefined): Float64Array;
  ints(value: Value | undefined): Int32Array;
  /** A weight's source and its bytes as the file has them. */
  weight(id: string): { readonly source: WeightSource; readonly bytes: Uint8Array };
  /** All of a weight as numbers. */
  decoded(id: string): Float32Array;
  /** Where the vectors of a sequence lie in a state. */
  stored(state: PagedState, sequence: SequenceRows): KvReader;
  /** What a slot holds of a state, row-major; writing to it stores. */
  slotOf(state: SlotState, slot: number): Float64Array;
  /** Keys (part 0) or values (part 1) of a position's heads, as the state keeps them. */
  asStored(state: PagedState, part: 0 | 1, values: Float64Array): Float64Array;
  /** Values that share a scale where inputs of quantised matrices are rounded; undefined where they are not. */
  readonly roundingBlock: number | undefined;
}

/** Computes an op's output from its inputs, row-major. */
export type RunOp<Op> = (op: Op, inputs: readonly Value[], run: OpRun) => Float64Array;
