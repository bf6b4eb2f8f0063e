/** What attention on subgroup matrices is made from, where its parts lie in workgroup memory, and which sizes suit a device. */
import { attentionSizes, hasCodes, keptWidth } from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { workgroupBytesOf } from '../../kernel.ts';
import { MATRIX_LANES, valuesOfVector } from '../../wgsl/subgroup-matrix.ts';
import type { MatrixConfig } from '../../wgsl/subgroup-matrix.ts';

export interface AttentionMatrixVariant {
  readonly shape: AttentionShape;
  readonly matrix: MatrixConfig;
  /** Query heads of a tile, which read the same keys: they divide a group. */
  readonly tileHeads: number;
  /** Rows of a tile, for each of its heads: a multiple of the matrix's. */
  readonly tileRows: number;
  /** Keys of a tile, a multiple of 16. */
  readonly tileKeys: number;
  /** Subgroups that share rows: they divide the keys of a tile, then the values' columns. */
  readonly valueParts: 1 | 2 | 4;
  /** Blocks of rows that a subgroup has: each matrix of keys or values is read once for all of them. Default 1. */
  readonly rowBlocks?: 1 | 2 | undefined;
  /** Set where a row's keys are divided over this many workgroups, and attention-combine makes the result. */
  readonly keySplits?: number | undefined;
  /** Rows of the tiles that the host lists, where they are more than the kernel's own: a multiple of them. */
  readonly listedRows?: number | undefined;
}

/** Sizes that the text is made of. Places and strides count elements of 16 bytes of `staged`. */
export interface MatrixTile extends AttentionMatrixVariant {
  readonly rowBlocks: 1 | 2;
  /** Rows of all of the tile's heads, head by head, those of a subgroup, and in how many parts of those all are. */
  readonly allRows: number;
  readonly ownRows: number;
  readonly blocks: number;
  readonly invocations: number;
  /** Lanes of a subgroup that share a row of scores. */
  readonly rowLanes: number;
  /** Values of an element as matrices read it: 8 of f16 or 4 of f32. */
  readonly elementValues: 4 | 8;
  /** Matrices across a head's key, and across what a subgroup has of the value. */
  readonly keyMatrices: number;
  readonly valueMatrices: number;
  /**
   * Keys [tileKeys][keyStride] and values [tileKeys][valueStride]. Queries [allRows][keyStride] lie first where all else does later.
   * Emulated matrices stay where they lie: the queries have a place of their own.
   */
  readonly keyStride: number;
  readonly valueStride: number;
  readonly valuesAt: number;
  readonly queriesAt: number;
  /**
   * Scores, f32 [allRows][scoreStride], and their weights [allRows][weightStride]: those of a lane begin where its scores do, if whole
   * matrices lie there and no other subgroup reads the scores.
   */
  readonly scoreStride: number;
  readonly scoresAt: number;
  readonly isInPlace: boolean;
  /** From a lane's weights to those of the next lane of its row. */
  readonly weightShare: number;
  readonly weightStride: number;
  readonly weightsAt: number;
  readonly elements: number;
}

/** A pad of one element keeps neighbouring rows in different banks. */
const PAD = 1;

export function matrixTile(variant: AttentionMatrixVariant): MatrixTile {
  const { shape, matrix, tileHeads, tileRows, tileKeys, valueParts, rowBlocks = 1 } = variant;
  const problem = tileProblem(variant);
  if (problem !== undefined) throw new Error(`attention-matrix: ${problem}`);
  const values = valuesOfVector(matrix);
  const allRows = tileHeads * tileRows;
  const ownRows = matrix.m * rowBlocks;
  const blocks = allRows / ownRows;
  const [keyWidth, valueWidth] = [keptWidth(shape, shape.keyDim), keptWidth(shape, shape.valueDim)];
  const keyStride = keyWidth / values + PAD;
  const valueStride = valueWidth / values + PAD;
  const scoreStride = tileKeys / 4 + PAD;
  const rowLanes = MATRIX_LANES / matrix.m;
  const share = tileKeys / rowLanes;
  const isInPlace = valueParts === 1 && (values === 4 || share % matrix.k === 0);
  const weightStride = isInPlace ? scoreStride : tileKeys / values + PAD;
  const valuesAt = tileKeys * keyStride;
  const scoresAt = valuesAt + tileKeys * valueStride;
  const scoresEnd = scoresAt + allRows * scoreStride;
  const weightsAt = isInPlace ? scoresAt : scoresEnd;
  const weightsEnd = isInPlace ? scoresEnd : weightsAt + allRows * weightStride;
  const queriesAt = matrix.emulated ? weightsEnd : 0;
  return {
    ...variant, rowBlocks, allRows, ownRows, blocks, keyStride, valueStride, valuesAt, queriesAt, scoreStride, scoresAt, isInPlace,
    weightStride, weightsAt, rowLanes,
    weightShare: share / (isInPlace ? 4 : values),
    invocations: blocks * valueParts * MATRIX_LANES,
    elementValues: values,
    keyMatrices: keyWidth / matrix.k,
    valueMatrices: valueWidth / matrix.n / valueParts,
    elements: Math.max(weightsEnd, queriesAt + allRows * keyStride),
  };
}

/** Why there is no such tile, in words; undefined where there is. */
function tileProblem(variant: AttentionMatrixVariant): string | undefined {
  const { shape, matrix, tileHeads, tileRows, tileKeys, valueParts, rowBlocks = 1 } = variant;
  const { kv, output } = shape;
  const [keyDim, valueDim] = [keptWidth(shape, shape.keyDim), keptWidth(shape, shape.valueDim)];
  const { m, n, k, input } = matrix;
  const across = n * valueParts;
  if (input === 'f16' && kv === 'f32') return 'matrices of f16 do not take keys of f32';
  if (keyDim % k !== 0) return `keys of ${keyDim} are not whole matrices ${k} deep`;
  if (valueDim % across !== 0) return `values of ${valueDim} are not ${valueParts} parts of whole matrices`;
  if (valueParts > 1 && valueDim % (tileKeys * valueParts) !== 0) return `${valueParts} parts of values of ${valueDim}`;
  if (hasCodes(shape) && (keyDim % 16 !== 0 || valueDim % 16 !== 0)) return `codes of ${keyDim} and ${valueDim} in groups of 16`;
  if (tileKeys % 16 !== 0 || tileKeys % across !== 0 || tileKeys % k !== 0) return `tiles of ${tileKeys} keys`;
  if (tileRows % m !== 0) return `tiles of ${tileRows} rows`;
  if ((tileHeads * tileRows) % (m * rowBlocks) !== 0) return `${tileHeads * tileRows} rows, ${m * rowBlocks} a subgroup`;
  if (attentionSizes(shape).group % tileHeads !== 0) return `${tileHeads} heads of a group of ${attentionSizes(shape).group}`;
  if (output === 'q8' && valueDim % 16 !== 0) return `values of ${valueDim} in blocks of 16`;
  return undefined;
}

/** Workgroup memory, and where a row's maximum last moved so far that what has been added up had to fade. */
export function matrixMemory({ elements, matrix, invocations }: MatrixTile): string {
  const exchange = matrix.emulated ? `\nvar<workgroup> exchanged: array<f32, ${invocations}>;` : '';
  return `var<workgroup> staged: array<vec4<u32>, ${elements}>;\nvar<workgroup> moved: atomic<u32>;${exchange}`;
}

/**
 * Subgroups of a workgroup: as many blocks of rows as share what it brings of keys and values, where values are one part. Wide tiles are
 * 1.5 times as fast where they fill a device's cores, which take one of either (docs/experiments.md).
 */
const BLOCKS = { narrow: 4, wide: 8 } as const;
export type TileWidth = keyof typeof BLOCKS;
/** Heads of a group that has no part of 2 to 4 heads, at most. */
const MOST_HEADS = 8;
/** Keys of a tile, the best first. */
const TILE_KEYS = [32, 16];
/** Columns of a value that a subgroup has room for in its registers, beside the queries. */
const MOST_COLUMNS = 128;
const MOST_PARTS = 2;

export interface MatrixLimits {
  readonly matrix: MatrixConfig;
  /** Of a workgroup. */
  readonly invocations: number;
  readonly workgroupBytes: number;
}

/** Query heads of a tile: four of a group at most, or all of one that has no such part. */
function headsOfTile(group: number): number {
  const fitting = [4, 3, 2].find((heads) => group % heads === 0);
  return fitting ?? (group <= MOST_HEADS ? group : 1);
}

/**
 * The tile for a shape, undefined where matrices do not suit it or none fits: the kernel without them is for those. There is no wide one
 * where values are in parts, where a narrow one has all heads that fit, or with fewer keys: a row's result must not depend on which it was.
 */
export function attentionMatrixVariant(
  shape: AttentionShape, limits: MatrixLimits, width: TileWidth = 'narrow',
): AttentionMatrixVariant | undefined {
  const { matrix, invocations, workgroupBytes } = limits;
  const valueParts = shape.valueDim <= MOST_COLUMNS ? 1 : 2;
  if (matrix.sum !== 'f32' || Math.max(shape.keyDim, shape.valueDim) > MOST_COLUMNS * MOST_PARTS) return undefined;
  const tileHeads = headsOfTile(attentionSizes(shape).group);
  const rowsBy = (blocks: number) => matrix.m * Math.max(1, Math.floor(blocks / tileHeads));
  const tileRows = rowsBy(BLOCKS[width]);
  if (width === 'wide' && (valueParts > 1 || tileRows === rowsBy(BLOCKS.narrow))) return undefined;
  const fits = (variant: AttentionMatrixVariant): boolean => {
    if (tileProblem(variant) !== undefined) return false;
    const tile = matrixTile(variant);
    return tile.invocations <= invocations && workgroupBytesOf(matrixMemory(tile)) <= workgroupBytes;
  };
  const tilesOf = (tileKeys: number): AttentionMatrixVariant => ({ shape, matrix, tileHeads, tileRows, tileKeys, valueParts });
  const found = TILE_KEYS.map(tilesOf).find(fits);
  return width === 'wide' && found?.tileKeys !== attentionMatrixVariant(shape, limits)?.tileKeys ? undefined : found;
}
