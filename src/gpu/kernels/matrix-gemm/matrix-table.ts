/**
 * Which tile a product on matrix units takes: by its rows, by how many rows and columns its matrix has, and by what the units take.
 * NVIDIA's follow measurements on an H200 (docs/experiments.md), Metal's published designs.
 */
import type { MatrixConfig } from '../../wgsl/subgroup-matrix.ts';
import type { MatrixTiling } from './matrix-geometry.ts';

/** A product's class, as far as the table goes. */
export interface ProductClass {
  /** Rows of W, of one expert where there are several. */
  readonly out: number;
  readonly cols: number;
  /** True: rows of x are pairs of an expert, of which a tile has so many. */
  readonly expertRows: number | undefined;
}

/** A tiling, and for how many rows of x it is. */
export interface TiledRows {
  readonly tiling: MatrixTiling;
  /** Of them, where it splits the depth. */
  readonly mostRows?: number | undefined;
  isFor(rows: number): boolean;
}

interface MatrixTable {
  /** Cores: with fewer workgroups some are idle. */
  readonly cores: number;
  readonly tileDepth: number;
  /** Most workgroups that share a depth. */
  readonly mostSplits: number;
  /** Rows of tiles of few rows, each for as many: their subgroups share the depth. */
  readonly few: readonly number[];
  /** Whether more rows take tiles of 128 x 128, and share their depth, or that of square ones, where there are few tiles. */
  readonly hasLargeTiles: boolean;
}

const NVIDIA: MatrixTable = { cores: 132, tileDepth: 64, mostSplits: 8, few: [16, 32, 64], hasLargeTiles: true };
const METAL: MatrixTable = { cores: 0, tileDepth: 32, mostSplits: 1, few: [16, 32], hasLargeTiles: false };

/** Steps along the depth that a workgroup has at least. */
const LEAST_STEPS = 4;
const SQUARE = 64;
const LARGE = 128;
/** Most rows that square tiles, and large ones, share the depth for. */
const SQUARE_SPLIT_ROWS = 128;
const LARGE_SPLIT_ROWS = 512;
/** Workgroups of large tiles for each core, from which on none share a depth, and up to which they do. */
const ENOUGH = 1;
const WANTED = 1.6;

/** Whether each of so many parts of a depth has some steps, and enough. */
function isCut(parts: number, cols: number, { tileDepth }: MatrixTable): boolean {
  const steps = Math.ceil(cols / tileDepth);
  return steps / parts >= LEAST_STEPS && (parts - 1) * Math.ceil(steps / parts) < steps;
}

/** Workgroups that share the depth of `tiles` small tiles, so that they are two for each core. */
function fewSplits(table: MatrixTable, tiles: number, cols: number): number {
  let splits = 1;
  while (splits < table.mostSplits && tiles * splits < 2 * table.cores && isCut(2 * splits, cols, table)) splits *= 2;
  return splits;
}

/** The same of large tiles. */
function largeSplits(table: MatrixTable, tiles: number, cols: number): number {
  if (tiles >= ENOUGH * table.cores) return 1;
  let splits = Math.min(table.mostSplits, Math.ceil((WANTED * table.cores) / tiles));
  while (splits > 1 && !isCut(splits, cols, table)) splits--;
  return splits;
}

const tilesOf = (rows: number, out: number, side: number) => Math.ceil(rows / side) * Math.ceil(out / side);

/** Each tiling with the rows that it is for; together they are for all from 9 on. */
export function tilingsFor(config: MatrixConfig, { out, cols, expertRows }: ProductClass): readonly TiledRows[] {
  const table = config.input === 'f16' ? NVIDIA : METAL;
  const { tileDepth, few } = table;
  if (expertRows !== undefined) {
    const tiling: MatrixTiling = { tileRows: expertRows, tileCols: SQUARE, tileDepth, subgroups: [1, 2, 2], splits: 1 };
    return [{ tiling, isFor: () => true }];
  }
  const fewTiles = few.map((tileRows, i): TiledRows => {
    const least = few[i - 1] ?? 0;
    const splits = fewSplits(table, Math.ceil(out / SQUARE), cols);
    return {
      tiling: { tileRows, tileCols: SQUARE, tileDepth, subgroups: [1, 2, 2], splits },
      mostRows: tileRows,
      isFor: (rows) => rows > least && rows <= tileRows,
    };
  });
  return [...fewTiles, ...manyTiles(table, { out, cols }, few.at(-1)!)];
}

/** Tilings for more than `least` rows. */
function manyTiles(table: MatrixTable, { out, cols }: Pick<ProductClass, 'out' | 'cols'>, least: number): readonly TiledRows[] {
  const { tileDepth, cores, hasLargeTiles } = table;
  const square = (splits: number): MatrixTiling => ({ tileRows: SQUARE, tileCols: SQUARE, tileDepth, subgroups: [2, 2, 1], splits });
  if (!hasLargeTiles) return [{ tiling: square(1), isFor: (rows) => rows > least }];
  const large = (splits: number): MatrixTiling => ({ tileRows: LARGE, tileCols: LARGE, tileDepth, subgroups: [2, 4, 1], splits });
  const splits = largeSplits(table, tilesOf(LARGE_SPLIT_ROWS, out, LARGE), cols);
  // Wide products fill the device with large tiles at fewer rows than others.
  const isWide = (rows: number) => tilesOf(rows, out, LARGE) >= ENOUGH * cores;
  const isSquare = (rows: number) => rows > least && rows <= SQUARE_SPLIT_ROWS && !isWide(rows);
  const isSplit = (rows: number) => splits > 1 && rows > SQUARE_SPLIT_ROWS && rows <= LARGE_SPLIT_ROWS && !isWide(rows);
  const squareSplits = fewSplits(table, tilesOf(SQUARE_SPLIT_ROWS, out, SQUARE), cols);
  return [
    { tiling: square(squareSplits), mostRows: SQUARE_SPLIT_ROWS, isFor: isSquare },
    ...(splits > 1 ? [{ tiling: large(splits), mostRows: LARGE_SPLIT_ROWS, isFor: isSplit }] : []),
    { tiling: large(1), isFor: (rows) => rows > least && !isSquare(rows) && !isSplit(rows) },
  ];
}
