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

/** A tile, whose depth is that of columns it does not divide halved until it does where halves are read where they lie. */
type Tile = Omit<MatrixTiling, 'splits'>;

interface MatrixTable {
  /** Cores: with fewer workgroups some are idle. */
  readonly cores: number;
  /** Most workgroups that share a depth. */
  readonly mostSplits: number;
  /** Tiles of few rows, each for as many: their subgroups share the depth. */
  readonly few: readonly Tile[];
  /** Of a product with experts; its rows follow the lists. */
  readonly experts: Omit<Tile, 'tileRows'>;
  /** Of more rows; where there are large ones, of up to {@link SQUARE_SPLIT_ROWS}, their depth shared where there are few. */
  readonly square: Tile;
  readonly large?: Tile | undefined;
}

const fewTile = (tileRows: number, tileDepth: number): Tile => ({ tileRows, tileCols: 64, tileDepth, subgroups: [1, 2, 2] });
const squareTile = (tileDepth: number): Tile => ({ tileRows: 64, tileCols: 64, tileDepth, subgroups: [2, 2, 1] });

const NVIDIA: MatrixTable = {
  cores: 132, mostSplits: 8, few: [fewTile(16, 64), fewTile(32, 64), fewTile(64, 64)], experts: fewTile(32, 64), square: squareTile(64),
  large: { tileRows: 128, tileCols: 128, tileDepth: 64, subgroups: [2, 4, 1] },
};
const METAL: MatrixTable = {
  cores: 0, mostSplits: 1, few: [fewTile(16, 32), fewTile(32, 32)], experts: fewTile(32, 32), square: squareTile(32),
};

/** Elements of the depth that a workgroup has at least. */
const LEAST_DEPTH = 256;
/** Most rows that square tiles, and large ones, share the depth for. */
const SQUARE_SPLIT_ROWS = 128;
const LARGE_SPLIT_ROWS = 512;
/** Workgroups of large tiles for each core, from which on none share a depth, and up to which they do. */
const ENOUGH = 1;
const WANTED = 1.6;

function fitted(tile: Tile, cols: number): Tile {
  let { tileDepth } = tile;
  while (tile.halves === 'direct' && cols % tileDepth !== 0) tileDepth /= 2;
  return { ...tile, tileDepth };
}

/** Whether each of so many parts of a depth has some steps, and enough. */
function isCut(parts: number, cols: number, { tileDepth }: Tile): boolean {
  const steps = Math.ceil(cols / tileDepth);
  return steps / parts >= LEAST_DEPTH / tileDepth && (parts - 1) * Math.ceil(steps / parts) < steps;
}

/** Tiles that there are, and their columns. */
interface Tiled {
  readonly tiles: number;
  readonly cols: number;
}

/** Workgroups that share the depth of `tiles` small tiles, so that they are two for each core. */
function fewSplits({ mostSplits, cores }: MatrixTable, tile: Tile, { tiles, cols }: Tiled): number {
  let splits = 1;
  while (splits < mostSplits && tiles * splits < 2 * cores && isCut(2 * splits, cols, tile)) splits *= 2;
  return splits;
}

/** The same of large tiles. */
function largeSplits({ mostSplits, cores }: MatrixTable, tile: Tile, { tiles, cols }: Tiled): number {
  if (tiles >= ENOUGH * cores) return 1;
  let splits = Math.min(mostSplits, Math.ceil((WANTED * cores) / tiles));
  while (splits > 1 && !isCut(splits, cols, tile)) splits--;
  return splits;
}

const tilesOf = (rows: number, out: number, { tileRows, tileCols }: Tile) => Math.ceil(rows / tileRows) * Math.ceil(out / tileCols);

/** Each tiling with the rows that it is for; together they are for all from 9 on. */
export function tilingsFor(config: MatrixConfig, { out, cols, expertRows }: ProductClass): readonly TiledRows[] {
  const table = config.input === 'f16' ? NVIDIA : METAL;
  const { few, experts } = table;
  if (expertRows !== undefined) return [{ tiling: { ...experts, tileRows: expertRows, splits: 1 }, isFor: () => true }];
  const fewTiles = few.map((tile, i): TiledRows => {
    const least = few[i - 1]?.tileRows ?? 0;
    const { tileRows } = tile;
    const own = fitted(tile, cols);
    const splits = fewSplits(table, own, { tiles: tilesOf(tileRows, out, own), cols });
    return { tiling: { ...own, splits }, mostRows: tileRows, isFor: (rows) => rows > least && rows <= tileRows };
  });
  return [...fewTiles, ...manyTiles(table, { out, cols }, few.at(-1)!.tileRows)];
}

/** Tilings for more than `least` rows. */
function manyTiles(table: MatrixTable, { out, cols }: Pick<ProductClass, 'out' | 'cols'>, least: number): readonly TiledRows[] {
  const { cores } = table;
  const square = fitted(table.square, cols);
  if (table.large === undefined) return [{ tiling: { ...square, splits: 1 }, isFor: (rows) => rows > least }];
  const large = fitted(table.large, cols);
  const splits = largeSplits(table, large, { tiles: tilesOf(LARGE_SPLIT_ROWS, out, large), cols });
  // Wide products fill the device with large tiles at fewer rows than others.
  const isWide = (rows: number) => tilesOf(rows, out, large) >= ENOUGH * cores;
  const isSquare = (rows: number) => rows > least && rows <= SQUARE_SPLIT_ROWS && !isWide(rows);
  const isSplit = (rows: number) => splits > 1 && rows > SQUARE_SPLIT_ROWS && rows <= LARGE_SPLIT_ROWS && !isWide(rows);
  const squareSplits = fewSplits(table, square, { tiles: tilesOf(SQUARE_SPLIT_ROWS, out, square), cols });
  return [
    { tiling: { ...square, splits: squareSplits }, mostRows: SQUARE_SPLIT_ROWS, isFor: isSquare },
    ...(splits > 1 ? [{ tiling: { ...large, splits }, mostRows: LARGE_SPLIT_ROWS, isFor: isSplit }] : []),
    { tiling: { ...large, splits: 1 }, isFor: (rows) => rows > least && !isSquare(rows) && !isSplit(rows) },
  ];
}
