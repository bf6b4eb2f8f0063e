/** What decode attention is made from, and what its two forms bring to the kernel. */
import type { AttentionShape } from '../../attention-shape.ts';
import type { KeySplits } from './key-splits.ts';

export interface AttentionDecodeVariant {
  readonly shape: AttentionShape;
  /** Query heads of a workgroup, all of one key head: a divisor of heads / kvHeads. */
  readonly queryHeads: number;
  /** Undefined: a workgroup takes all keys and writes the result itself. */
  readonly splits: KeySplits | undefined;
  /** Undefined: no subgroup operations, invocations for keys and then for values. */
  readonly subgroupSize: number | undefined;
  readonly invocations: number;
  /** Keys that a lane has in flight; for the subgroup form only, else 1. */
  readonly unroll: number;
  /** For the subgroup form only; undefined: `refilled`. */
  readonly loads?: KeyLoads | undefined;
}

/**
 * When a lane asks for its next `unroll` keys and values. `together`: for both when it is done with the present ones. `refilled`: for
 * keys when the present scores are known, for values when the present ones are added. `ahead`: for both before it begins with the present
 * ones, with twice the registers.
 */
export type KeyLoads = 'together' | 'refilled' | 'ahead';

/** What the two forms bring to the kernel. */
export interface DecodeForm {
  /** Declarations of workgroup memory. */
  readonly memory: string;
  /**
   * Statements that leave in workgroup memory, behind a barrier, `merged` [slices][queryHeads][quads of a padded value] and `weights`
   * [slices][queryHeads] f32, all relative to the maxima in `highest` [queryHeads].
   */
  readonly body: string;
  readonly slices: number;
}
