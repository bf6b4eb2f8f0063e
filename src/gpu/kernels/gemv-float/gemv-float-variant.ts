import { outputWidth } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import type { CodeFormName } from './code-form.ts';

export interface GemvFloatVariant {
  readonly shape: LinearShape;
  /** Columns of x that a workgroup takes. Above 1 their number is read from `step`, and more of them are more workgroups. */
  readonly batch: 1 | 2 | 4 | 8;
  /**
   * How codes become floats (code-form.ts), products and sums being f32. `f16`: as `half`, and one column's x is held in f16 registers,
   * half as many; needs the feature, and rounds x to 11 bits (values past 65504 are cut to it).
   */
  readonly arithmetic: CodeFormName | 'f16';
  /** How the lanes of a team add up: `none` is for teams of one. */
  readonly reduction: 'subgroup' | 'workgroup' | 'none';
  /** Invocations of a team: the subgroup's size, 16 or 32 for `workgroup`, 1 for `none`. */
  readonly lanes: number;
  /**
   * Lanes that share a group of 32 elements of a block format (one column only; default 1). With 2, a lane holds 16 values of x and
   * loads 8 bytes of 4-bit codes a row: fewer registers, neighbours nearer in x, and rows of 16 * lanes elements fill all lanes.
   */
  readonly lanesPerGroup?: 1 | 2 | undefined;
  /** Rows of the result that a team owns; with `gated` it reads twice as many. */
  readonly rowsPerTeam: 1 | 2 | 4;
  /** Teams in a workgroup. */
  readonly teams: number;
}

/** Rows of the matrix that a team goes along. */
export function teamRows({ shape, rowsPerTeam }: GemvFloatVariant): number {
  return shape.gated ? 2 * rowsPerTeam : rowsPerTeam;
}

/** Rows of the result that come of a part, or of each of its experts. */
export function partOutputs({ shape }: Pick<GemvFloatVariant, 'shape'>, n: number): number {
  if (shape.experts) return outputWidth(shape);
  const { rows } = shape.parts[n]!;
  return shape.gated ? rows / 2 : rows;
}

/** A team goes along rows of the expert that it is told. */
export function isByExpert({ experts }: LinearShape): boolean {
  return experts !== undefined && !experts.summed;
}

/** Vectors of a row of x that a team goes along: those of all of its experts where their results are added up. */
export function loopVectors({ experts }: LinearShape): number {
  return experts?.summed ? experts.used : 1;
}
