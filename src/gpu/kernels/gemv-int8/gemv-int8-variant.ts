/** The variant record of the int8 GEMV, and what follows from it. */
import { isPowerOfTwo, kernelKey } from '../../kernel.ts';
import { hasTwoEnds, inputWidth, matrixRows, outputWidth } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';

export interface GemvInt8Variant {
  readonly shape: LinearShape;
  /** Rows of x that one pass over W serves. 1: exactly one row, no `step`; more: any number of rows, in chunks of this. */
  readonly batch: 1 | 2 | 4 | 8;
  /** Undefined: one row of W an invocation, no subgroup operations, `lanesPerRow` and `rowsPerSlot` are 1. */
  readonly subgroupSize: number | undefined;
  /** Rows of W that a workgroup owns, a power of two; multiple of 16 for quantised outputs, of 32 for gated products. */
  readonly rowsPerWorkgroup: number;
  /** Invocations that share rows: a power of two, part of a subgroup or some whole ones. */
  readonly lanesPerRow: number;
  /** Rows that they share, whose loads they interleave. */
  readonly rowsPerSlot: 1 | 2 | 4;
  /** Groups of 32 elements of a row that a lane loads before it uses the first. */
  readonly unroll: number;
  /** Whether a lane reads the words of its next groups before it uses those that it has. */
  readonly isAhead?: boolean | undefined;
}

/** What follows from a variant; the unit of work is a slot: the invocations that share `rowsPerSlot` rows. */
export interface GemvGeometry {
  readonly slots: number;
  /** Invocations of a slot, those of them that are of one subgroup, and the subgroups that they are in. */
  readonly lanes: number;
  readonly joinedLanes: number;
  readonly subgroups: number;
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

export function geometryOf({ shape, subgroupSize = 1, rowsPerWorkgroup, lanesPerRow: lanes, rowsPerSlot }: GemvInt8Variant): GemvGeometry {
  const slots = rowsPerWorkgroup / rowsPerSlot;
  const groups = shape.cols / 32;
  const xGroups = inputWidth(shape) / 32;
  const parts = shape.experts ? [matrixRows(shape)] : shape.parts.map(({ rows }) => rows);
  return {
    slots, lanes,
    joinedLanes: Math.min(lanes, subgroupSize),
    subgroups: Math.ceil(lanes / subgroupSize),
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
  const { shape, batch, subgroupSize, rowsPerWorkgroup, lanesPerRow, rowsPerSlot, unroll, isAhead } = variant;
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
  require(!isAhead || (unroll === 1 && experts === undefined), 'a turn that reads ahead has one group of plain rows');
  require(subgroupSize === undefined
    ? lanesPerRow === 1 && rowsPerSlot === 1
    : isPowerOfTwo(subgroupSize) && isPowerOfTwo(lanesPerRow), 'lanes are powers of two; without subgroups an invocation has a row');
  require(isPowerOfTwo(rowsPerWorkgroup) &&
    rowsPerWorkgroup >= rowsPerSlot &&
    unroll >= 1, 'rowsPerWorkgroup must be a power of two and hold a slot');
  const { workgroupSize, outputs: owned } = geometryOf(variant);
  require(workgroupSize >= (subgroupSize ?? 1), 'a workgroup is whole subgroups');
  require(!outputs.q8 || workgroupSize >= (owned / Q8_BLOCK) * batch, 'an invocation rounds a block');
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
