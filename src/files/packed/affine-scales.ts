/** The affine type that GPTQ's, AWQ's and compressed-tensors' integers are read into, and its planes of scales. */
import type { TensorEntry } from '../../tensor/checkpoint.ts';
import { AFFINE_GROUPS, AFFINE_SCALES, affineName } from '../../tensor/formats/affine.ts';
import type { AffineBits, AffineGroup, AffineScale } from '../../tensor/formats/affine.ts';
import { POINT_SCALES, zeroPointName } from '../../tensor/formats/zero-point-4.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import { wrongPlane } from './folder-planes.ts';
import type { Plane } from './plane.ts';
import { affinePlanes } from './scale-grids.ts';
import type { NumberGrid } from './scale-grids.ts';

export interface IntegerScales {
  readonly bits: AffineBits;
  /** Values of a row, and those under one scale. */
  readonly cols: number;
  readonly group: number;
  /** The tensor of the scales, for its type and for messages. */
  readonly entry: TensorEntry;
  readonly scales: NumberGrid;
  readonly zeros: NumberGrid | undefined;
  /** Whether config.json says that every zero point is 2^(bits - 1). */
  readonly isSymmetric: boolean;
}

/**
 * The type and the planes of scales and minimums. Symmetric codes keep the scales' own type, in which -2^(bits - 1) * scale is exact; so
 * do four bits with zero points of their own, which that type holds. Others take f32, in which a zero point times a scale is exact. A group
 * of more than 128 values is several blocks with the same scale.
 */
export function integerScales(options: IntegerScales): { readonly type: WeightType; readonly scales: Plane; readonly minimums: Plane } {
  const { bits, group, entry, scales, zeros, isSymmetric } = options;
  const block = blockOf(entry, group);
  const point = POINT_SCALES.find((type) => !isSymmetric && bits === 4 && type === entry.type);
  const type = isSymmetric ? (entry.type as AffineScale) : (point ?? 'f32');
  const keepsPoints = point !== undefined;
  const planes = affinePlanes({ scales, zeros, middle: 2 ** (bits - 1), isSymmetric, type, keepsPoints, repeat: group / block });
  return { type: point ? zeroPointName(block, point) : affineName(bits, block, type), ...planes };
}

/** The longest block of which a group is a whole number. */
function blockOf(entry: TensorEntry, group: number): AffineGroup {
  const block = AFFINE_GROUPS.findLast((size) => group % size === 0);
  if (block !== undefined) return block;
  throw wrongPlane(entry, `a scale for each 32, 64, 128 or more values, a multiple of one of these (it has one for each ${group})`);
}

/** @throws FormatError for scales that are no floats */
export function checkFloatScales(entry: TensorEntry): void {
  if (!(AFFINE_SCALES as readonly string[]).includes(entry.type)) throw wrongPlane(entry, `scales of ${AFFINE_SCALES.join(', ')}`);
}
