/** How a tile of a product is shared out over the subgroups of a workgroup, and where it lies in workgroup memory. */
import { INTERLEAVE_ROWS, packedFormatOf } from '../../packed-layout.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { hasTwoEnds, matrixRows } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { MATRIX_LANES, valuesOfVector } from '../../wgsl/subgroup-matrix.ts';
import type { MatrixConfig } from '../../wgsl/subgroup-matrix.ts';

/** A tile of the result and the subgroups that share it. Plain data of a table: it does not know the product. */
export interface MatrixTiling {
  /** Rows of x, and of W, of a workgroup's tile. */
  readonly tileRows: number;
  readonly tileCols: number;
  /** Elements of a row that lie in workgroup memory at a time: a multiple of 32. */
  readonly tileDepth: number;
  /** Subgroups down the rows, across the columns, and along the depth, whose sums are added up at the end. */
  readonly subgroups: readonly [down: number, across: number, deep: number];
  /** Workgroups that share the depth of a tile; from 2 on the kernel writes partial sums (matrix-combine.ts). */
  readonly splits: number;
  /**
   * Whether matrix-rows.ts made halves of x before, which are read into matrices where they lie. Else x becomes halves on its way into
   * workgroup memory, once for each tile of columns.
   */
  readonly areHalvesReady: boolean;
  /**
   * Steps that are fetched together, and in whose numbers parts of the depth take turns: a step alone reads some 32 bytes of each row of W,
   * which memory gives slowly.
   */
  readonly burst: 1 | 2;
  /** True: sums are left to matrix-combine.ts even where nothing shares the depth, so that a product whose end is its own shares a text. */
  readonly leavesSums?: true | undefined;
}

export interface MatrixGemmVariant extends MatrixTiling {
  readonly shape: LinearShape;
  readonly config: MatrixConfig;
}

/** Rows and columns of the tiles that ready halves lie in (matrix-rows.ts). */
export const HALVES_TILE = 16;

/** Elements that one fetch brings: what packed weights have under one scale, or two. */
export const UNIT = 32;

export interface MatrixGeometry {
  readonly tileRows: number;
  readonly tileCols: number;
  readonly workgroupSize: number;
  /** Rows and columns of a subgroup's result, and matrices in them. */
  readonly rowsEach: number;
  readonly colsEach: number;
  readonly matricesDown: number;
  readonly matricesAcross: number;
  /** Fetches of a line in a tile, and of the whole matrix. */
  readonly unitsPerLine: number;
  readonly units: number;
  /** Tiles along a line. */
  readonly steps: number;
  /** Bursts of them, and those of one of the workgroups that share the line, at most. */
  readonly bursts: number;
  readonly burstsEach: number;
  /** True where the last of them reaches past the line's end. */
  readonly hasTail: boolean;
  /** True where bursts are whole. */
  readonly isEven: boolean;
  /** vec4s from one line of a tile to the next: one more than a line takes, so that lines begin in different banks. */
  readonly lineStride: number;
  /** Rows of x that lie in workgroup memory, before those of W. */
  readonly heldRows: number;
  /** Rows of a subgroup whose sums lie in workgroup memory at a time, and vec4s from one to the next. */
  readonly pieceRows: number;
  readonly pieceStride: number;
  /** Where a vec4 for each row of the tile lies, of two floats: what x is multiplied by, and then its products. None of ready halves. */
  readonly factorsAt: number;
  /** vec4s of workgroup memory. */
  readonly length: number;
}

function check(variant: MatrixGemmVariant): void {
  const { shape, config, tileRows, tileCols, tileDepth, subgroups: [down, across, deep], areHalvesReady } = variant;
  const fail = (what: string) => {
    throw new Error(`matrix gemm: ${what}`);
  };
  if (tileRows % (down * config.m) !== 0 || tileCols % (across * config.n) !== 0 || tileCols % Q8_BLOCK !== 0)
    fail(`${down} x ${across} subgroups do not cut tiles of ${tileRows} x ${tileCols}`);
  if (tileDepth % UNIT !== 0 || tileDepth % (deep * config.k) !== 0) fail(`tiles ${tileDepth} deep`);
  if (shape.gated && tileCols / across % (2 * INTERLEAVE_ROWS) !== 0) fail('gate and up of a unit lie in two subgroups');
  if (shape.cols % UNIT !== 0) fail(`${shape.cols} columns`);
  if (areHalvesReady && (shape.experts || config.input !== 'f16' || config.m !== HALVES_TILE || config.k !== HALVES_TILE))
    fail('ready halves are for matrices of 16 x 16 of them, of one product');
  if (areHalvesReady && shape.cols % tileDepth !== 0) fail(`${shape.cols} columns of halves where they lie, ${tileDepth} deep`);
  if (hasTwoEnds(shape)) fail('a product is gated, activated or added to a residual');
  const parts = shape.experts ? [{ rows: matrixRows(shape) }] : shape.parts;
  if (shape.gated && parts.length !== 1) fail('a gated product has one part');
  if (shape.gated && parts[0]!.rows % (2 * INTERLEAVE_ROWS) !== 0) fail(`a gated part of ${parts[0]!.rows} rows`);
  const { experts, residual, activation, outputs, norm } = shape;
  if (isInParts(variant) && experts) fail('a result of one expert has no such end');
  if (experts && (experts.summed || residual || activation || outputs.q8?.norm || (norm && experts.each)))
    fail('a result of one expert has no such end');
  if (outputs.q8) for (const { rows } of parts) if (rows % Q8_BLOCK !== 0) fail(`a part of ${rows} rows has no whole blocks of q8`);
}

/** The most rows of sums that fit in what the tiles leave free when the products are done. */
function pieceRowsOf(rowsEach: number, { m }: MatrixConfig, bytesOf: (rows: number) => number, most: number): number {
  let rows = rowsEach;
  while (rows > m && (bytesOf(rows) > most || rowsEach % rows !== 0)) rows -= m;
  return rows;
}

/** Whether it leaves sums, or parts of them, for matrix-combine.ts to finish. */
export function isInParts({ splits, leavesSums }: Pick<MatrixTiling, 'splits' | 'leavesSums'>): boolean {
  return splits > 1 || leavesSums === true;
}

export function matrixGeometry(variant: MatrixGemmVariant): MatrixGeometry {
  check(variant);
  const { shape, config, tileRows, tileCols, tileDepth, subgroups: [down, across, deep], splits, areHalvesReady, burst } = variant;
  const unitsPerLine = tileDepth / UNIT;
  const units = shape.cols / UNIT;
  const steps = Math.ceil(units / unitsPerLine);
  const bursts = Math.ceil(steps / burst);
  if (splits > bursts) throw new Error(`matrix gemm: ${bursts} bursts do not make ${splits} parts`);
  const [rowsEach, colsEach] = [tileRows / down, tileCols / across];
  const lineStride = tileDepth / valuesOfVector(config) + 1;
  const workgroupSize = down * across * deep * MATRIX_LANES;
  const heldRows = areHalvesReady ? 0 : tileRows;
  const tiles = (heldRows + tileCols) * lineStride;
  const pieceStride = colsEach / valuesOfSums(config) + 1;
  const piece = (rows: number) => down * across * deep * rows * pieceStride;
  const pieceRows = pieceRowsOf(rowsEach, config, piece, tiles);
  // What rows are scaled by is gathered by several lanes a row before the first tile.
  const factorsAt = Math.max(tiles, piece(pieceRows), areHalvesReady ? 0 : tileRows * lanesOfRow({ tileRows, workgroupSize }));
  return {
    tileRows, tileCols, workgroupSize, rowsEach, colsEach, unitsPerLine, units, steps, lineStride, pieceRows, pieceStride, factorsAt,
    matricesDown: rowsEach / config.m,
    matricesAcross: colsEach / config.n,
    bursts,
    burstsEach: Math.ceil(bursts / splits),
    hasTail: units % unitsPerLine !== 0,
    isEven: steps % burst === 0,
    heldRows,
    length: factorsAt + (areHalvesReady ? 0 : tileRows),
  };
}

/** Sums of a vec4<u32>. */
export function valuesOfSums({ sum }: MatrixConfig): 4 | 8 {
  return sum === 'f32' ? 4 : 8;
}

/** Lanes that read a row together before the first tile. */
export function lanesOfRow({ tileRows, workgroupSize }: Pick<MatrixGeometry, 'tileRows' | 'workgroupSize'>): 8 | 16 {
  return tileRows * 16 <= workgroupSize ? 16 : 8;
}

interface RowTasks {
  readonly rows: number;
  /** Of each row. */
  readonly tasks: number;
  readonly workgroupSize: number;
}

/**
 * WGSL of how many turns a workgroup takes for the tasks of rows from the tile's first on, or of those that there are: a number that
 * compilers do not know, so that they write the turns down once.
 */
export function turnsOfRows({ rows, tasks, workgroupSize }: RowTasks): string {
  if (rows * tasks <= workgroupSize) return '1u';
  return `(min(${rows}u, tile.rows - tile.row) * ${tasks}u + ${workgroupSize - 1}u) / ${workgroupSize}u`;
}

/** What block weights are multiplied by as they become halves, so that small scales keep their precision; sums make up for it. */
export function weightFactor({ parts }: LinearShape, { input }: MatrixConfig): number {
  return input === 'f16' && parts.every(({ type }) => packedFormatOf(type).kind === 'blocks') ? 16 : 1;
}
