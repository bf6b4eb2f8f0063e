/**
 * How an int8 GEMV with subgroups is cut: rows of a workgroup, subgroups of a row, rows that they share, and what a lane has under way. By
 * measurements on an H200 (docs/experiments.md, "Few rows once more"); other devices with subgroups and int8 activations take the same.
 */
import type { GemvInt8Variant } from '../kernels/gemv-int8/gemv-int8.ts';
import { inputWidth, matrixRows } from '../linear-shape.ts';
import type { LinearShape } from '../linear-shape.ts';
import type { GemvInt8Knobs } from '../profile/device-profile.ts';

export interface Int8Form {
  readonly rowsPerWorkgroup: number;
  /** A half or a quarter where parts of a subgroup have rows of their own. */
  readonly subgroupsPerRow: number;
  readonly rowsPerSlot: 1 | 2 | 4;
  /** Groups of a lane that it loads together, where it has so many. */
  readonly unroll: number;
  readonly isAhead?: boolean;
}

export interface Int8FormOptions {
  readonly shape: LinearShape;
  /** Columns of a pass. */
  readonly batch: GemvInt8Variant['batch'];
  readonly subgroupSize: number;
  /** Whether a step has several passes, which read the same weights side by side. */
  readonly hasPasses?: boolean;
  readonly knobs: GemvInt8Knobs;
}

/** From this many rows of W on a matrix counts as an output head. */
export const HEAD_ROWS = 32_768;
/** Groups of 32 weights that a lane loads before it uses the first. */
const UNROLLED = 4;
/** The same of half a subgroup and two columns. */
const UNROLLED_BY_HALVES = 5;
/** Lanes without a group in a row's last turn, of all turns' lanes, from which on half a subgroup takes a row, and has one turn more. */
const IDLE_SHARE = 1 / 8;

/** Elements that a row of the result is a sum over. */
export function depthOf(shape: LinearShape): number {
  return shape.experts?.summed ? inputWidth(shape) : shape.cols;
}

export function int8Form(options: Int8FormOptions): Int8Form {
  const { shape, batch, knobs } = options;
  const isHead = matrixRows(shape) >= HEAD_ROWS;
  const isFew = batch > 1 && shape.experts === undefined;
  if (isHead && isFew) return { rowsPerWorkgroup: 32, subgroupsPerRow: 1 / 2, rowsPerSlot: 4, unroll: 1, isAhead: true };
  if (isHead) return { rowsPerWorkgroup: knobs.headRows, subgroupsPerRow: 1, rowsPerSlot: 1, unroll: UNROLLED };
  if (shape.gated) return isFew ? fewOfGated(options) : gatedForm(shape, batch, knobs);
  if (isFew) return fewOfPlain(options);
  const isShared = isTall(options) && batch === 1;
  return { rowsPerWorkgroup: knobs.rows, subgroupsPerRow: isShared ? 2 : 1, rowsPerSlot: isShared ? 2 : 1, unroll: UNROLLED };
}

/** Whether columns are so many that two subgroups share a row. */
function isTall({ shape, knobs }: Int8FormOptions): boolean {
  return matrixRows(shape) <= depthOf(shape) && depthOf(shape) >= knobs.splitFromCols;
}

/** Whether many lanes of a whole subgroup would have nothing to do in the last turn, 16 of 96 places with Qwen3-4B's 80 groups. */
function hasIdleLanes({ shape, subgroupSize }: Int8FormOptions): boolean {
  const groups = depthOf(shape) / 32;
  const idle = (lanes: number) => 1 - groups / (Math.ceil(groups / lanes) * lanes);
  return idle(subgroupSize) >= IDLE_SHARE && idle(subgroupSize / 2) < idle(subgroupSize);
}

/**
 * Of gate and up, quantised results come in blocks of 16 columns, which one workgroup owns: 32 rows where they alternate. As many rows a
 * subgroup, or of one column a workgroup, as make all workgroups run in one wave.
 */
function gatedForm(shape: LinearShape, batch: number, { wideRows, largeRows }: GemvInt8Knobs): Int8Form {
  const isWide = matrixRows(shape) >= wideRows;
  const isLarge = batch === 1 && !isWide && matrixRows(shape) >= largeRows;
  return { rowsPerWorkgroup: isLarge ? 64 : 32, subgroupsPerRow: 1, rowsPerSlot: isWide || isLarge ? 4 : 2, unroll: UNROLLED };
}

/**
 * Four rows share what is loaded of several columns, and parts of a subgroup read the same columns at the same time; of 4 and more columns,
 * registers are left for one turn's weights and the next one's words. Small products would have too few subgroups for all cores.
 */
function fewOfGated(options: Int8FormOptions): Int8Form {
  const { shape, batch, knobs } = options;
  if (matrixRows(shape) < knobs.largeRows)
    return { rowsPerWorkgroup: 32, subgroupsPerRow: 1, rowsPerSlot: 2, unroll: batch > 4 ? 1 : UNROLLED };
  const four = { rowsPerWorkgroup: 32, rowsPerSlot: 4 } as const;
  const isIdle = hasIdleLanes(options);
  if (batch === 2 && isIdle) return { ...four, subgroupsPerRow: 1 / 2, unroll: UNROLLED_BY_HALVES };
  const ofEight = isIdle ? 1 / 4 : 1;
  return { ...four, subgroupsPerRow: batch === 8 ? ofEight : 1 / 2, unroll: 1, isAhead: true };
}

function fewOfPlain(options: Int8FormOptions): Int8Form {
  const { batch, hasPasses, knobs } = options;
  const tall = isTall(options);
  const own = { rowsPerWorkgroup: knobs.rows, subgroupsPerRow: tall ? 2 : 1, rowsPerSlot: 4 } as const;
  if (batch === 2) return { ...own, rowsPerSlot: 2, unroll: UNROLLED };
  if (batch === 4) return tall ? { ...own, unroll: 1, isAhead: true } : { ...own, unroll: UNROLLED };
  if (tall) return { ...own, unroll: 1 };
  return { ...own, unroll: 1, isAhead: true, subgroupsPerRow: hasPasses && hasIdleLanes(options) ? 1 / 2 : 1 };
}
