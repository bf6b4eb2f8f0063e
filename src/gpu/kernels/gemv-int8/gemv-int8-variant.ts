/** The variant record of the int8 GEMV, and what follows from it. */
import { isPowerOfTwo, kernelKey } from '../../kernel.ts';
import { hasTwoEnds, inputWidth, matrixRows, outputWidth } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';

export interface GemvInt8Variant {
  readonly shape: LinearShape;
  /** Rows of x that one pass over W serves. 1: exactly one row, no `step`; more: any number of rows, in chunks of this. */
  readonly batch: 1 | 2 | 4 | 8;
  /** Undefined: one row of W an invocation, no subgroup operations, and the two knobs about subgroups are 1. */
  readonly subgroupSize: number | undefined;
  /** Rows of W that a workgroup owns, a power of two; multiple of 16 for quantised outputs, of 32 for gated products. */
  readonly rowsPerWorkgroup: number;
  readonly subgroupsPerRow: 1 | 2 | 4;
  /** Rows whose loads a subgroup interleaves. */
  readonly rowsPerSubgroup: 1 | 2 | 4;
  /** Groups of 32 elements of a row that a lane loads before it uses the first. */
  readonly unroll: number;
}

/** What follows from a variant; the unit of work is a slot: the subgroups that share `rowsPerSubgroup` rows, or an invocation. */
export interface GemvGeometry {
  readonly slots: number;
  /** Invocations of a slot. */
  readonly lanes: number;
  readonly workgroupSize: number;
  /** Columns of the result that a workgroup owns. */
  readonly outputs: number;
  /** Groups of 32 elements of a row of a matrix, of a row of x, and those that the loop of a slot goes over. */
  readonly groups: number;
  readonly xGroups: number;
  readonly loopGroups: number;
  /** Whether some workgroup owns rows past its part's end. */
  readonly isRagged: boolean;
}

export function geometryOf({ shape, subgroupSize, rowsPerWorkgroup, subgroupsPerRow, rowsPerSubgroup }: GemvInt8Variant): GemvGeometry {
  const slots = rowsPerWorkgroup / rowsPerSubgroup;
  const lanes = (subgroupSize ?? 1) * subgroupsPerRow;
  const groups = shape.cols / 32;
  const xGroups = inputWidth(shape) / 32;
  const parts = shape.experts ? [matrixRows(shape)] : shape.parts.map(({ rows }) => rows);
  return {
    slots, lanes,
    workgroupSize: slots * lanes,
    outputs: shape.gated ? rowsPerWorkgroup / 2 : rowsPerWorkgroup,
    groups, xGroups,
    loopGroups: shape.experts?.summed ? xGroups : groups,
    isRagged: parts.some((rows) => rows % rowsPerWorkgroup !== 0),
  };
}

/** Whether a pass has to be told which rows of x it takes. */
export function hasColumns({ shape: { experts }, batch }: GemvInt8Variant): boolean {
  return batch > 1 || (experts?.each === true && !experts.summed);
}

/** Throws RangeError where the text of a variant would be wrong. */
export function checkVariant(variant: GemvInt8Variant): void {
  const { shape, batch, subgroupSize, rowsPerWorkgroup, subgroupsPerRow, rowsPerSubgroup, unroll } = variant;
  const { parts, input, norm, sum, gated, outputs, cols, experts } = shape;
  const require = (holds: boolean, what: string) => {
    if (!holds) throw new RangeError(`gemv-int8: ${what} (${kernelKey('gemv-int8', variant)})`);
  };
  require(input !== 'f32' && norm === undefined, 'x must be int8 with its norm in its statistics');
  require(cols % 32 === 0, 'cols must be a multiple of 32');
  require(!sum || batch === 1, 'a sum is of one row');
  require(!hasTwoEnds(shape), 'a product is gated, activated or added to a residual');
  require(!gated ||
    ((parts.length === 1 || experts !== undefined) &&
      matrixRows(shape) % 32 === 0 &&
      rowsPerWorkgroup % 32 === 0), 'a gated product is one part of interleaved rows, 32 or more a workgroup');
  require(!outputs.q8 ||
    (outputWidth(shape) % 32 === 0 &&
      rowsPerWorkgroup % Q8_BLOCK === 0 &&
      (experts !== undefined || parts.every(({ rows }) => rows % Q8_BLOCK === 0))), 'quantised outputs come in whole blocks');
  require(outputs.f32 || outputs.q8 !== undefined, 'no outputs');
  requireExperts(variant, require);
  require(subgroupSize === undefined
    ? subgroupsPerRow === 1 && rowsPerSubgroup === 1
    : isPowerOfTwo(subgroupSize), 'subgroup sizes are powers of two, and without subgroups there is one row an invocation');
  require(isPowerOfTwo(rowsPerWorkgroup) &&
    rowsPerWorkgroup >= rowsPerSubgroup &&
    unroll >= 1, 'rowsPerWorkgroup must be a power of two and hold a slot');
}

function requireExperts({ shape, batch }: GemvInt8Variant, require: (holds: boolean, what: string) => void): void {
  const { experts, parts, residual, activation, outputs } = shape;
  if (experts === undefined) return;
  const rows = matrixRows(shape);
  require(parts.every((part) => part.type === parts[0]!.type && part.rows % rows === 0), 'parts are whole experts of one type');
  require(!experts.piece || experts.summed || (outputs.f32 && !outputs.q8), 'results of some experts are floats');
  require(activation === undefined && (experts.summed || (!residual && !outputs.q8?.norm)), 'a result of one expert has no such end');
  require(!experts.summed || (experts.each && batch === 1 && !shape.gated), 'sums are of one row, and of vectors of each expert');
}
