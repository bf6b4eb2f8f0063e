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

/** A tile of many rows, and how many microseconds a workgroup takes for each step of its depth. */
interface TimedTile {
  readonly tile: Tile;
  readonly stepUs: number;
}

interface MatrixTable {
  /** Cores: with fewer workgroups some are idle. */
  readonly cores: number;
  /** Most workgroups that share a depth. */
  readonly mostSplits: number;
  /** Fewer rows take GEMVs. */
  readonly leastRows: number;
  /** Tiles of few rows, each for as many: their subgroups share the depth. */
  readonly few: readonly Tile[];
  /** Of a product with experts; its rows follow the lists. */
  readonly experts: Omit<Tile, 'tileRows'>;
  /** Of more rows: the one for all, or those of which the fastest by estimate is taken. */
  readonly many: Tile | readonly TimedTile[];
}

const fewTile = (tileRows: number, tileDepth: number): Tile => ({ tileRows, tileCols: 64, tileDepth, subgroups: [1, 2, 2], burst: 1 });

/**
 * An H200. Its cores hold one workgroup of each of these tiles at a time, so that a product takes whole rounds: 128 rows of gate and up are
 * two rounds of 128 columns (152 workgroups), and one of 160. Times of steps are measured but that of 160 columns, which is between them.
 */
const NVIDIA: MatrixTable = {
  cores: 132, mostSplits: 8, leastRows: 5, few: [fewTile(16, 64), fewTile(32, 64), fewTile(64, 64)], experts: fewTile(32, 64),
  many: [
    { tile: { tileRows: 128, tileCols: 128, tileDepth: 64, subgroups: [2, 4, 1], burst: 1 }, stepUs: 1.39 },
    { tile: { tileRows: 128, tileCols: 160, tileDepth: 64, subgroups: [2, 5, 1], burst: 1 }, stepUs: 1.75 },
    { tile: { tileRows: 256, tileCols: 128, tileDepth: 128, subgroups: [4, 2, 1], halves: 'direct', burst: 1 }, stepUs: 4.15 },
  ],
};
const METAL: MatrixTable = {
  cores: 0, mostSplits: 1, leastRows: 9, few: [fewTile(16, 32), fewTile(32, 32)], experts: fewTile(32, 32),
  many: { tileRows: 64, tileCols: 64, tileDepth: 32, subgroups: [2, 2, 1], burst: 1 },
};

/** Elements of the depth that a workgroup has at least. */
const LEAST_DEPTH = 256;
/** Classes of many rows end here, and what their estimates are for; those of the last share no depth. */
const MANY_ROWS = [128, 512] as const;
const MOST_ROWS = 2048;
/** Microseconds that a dispatch takes beside its steps: of the product, of the sums of parts and for each byte of them, of x as halves. */
const START_US = 5;
const SUM_US = 4;
const SUM_US_A_BYTE = 1e-6;
const HALVES_US = 4;

function fitted(tile: Tile, cols: number): Tile {
  let { tileDepth } = tile;
  while (tile.halves === 'direct' && cols % tileDepth !== 0) tileDepth /= 2;
  return { ...tile, tileDepth };
}

/** Whether each of so many parts of a depth has enough. */
function isCut(parts: number, cols: number, { tileDepth, burst }: Tile): boolean {
  return cols / parts >= LEAST_DEPTH && parts <= Math.ceil(Math.ceil(cols / tileDepth) / burst);
}

/** Workgroups that share the depth of `tiles` small tiles, so that they are two for each core. */
function fewSplits({ mostSplits, cores }: MatrixTable, tile: Tile, { tiles, cols }: { readonly tiles: number; readonly cols: number }) {
  let splits = 1;
  while (splits < mostSplits && tiles * splits < 2 * cores && isCut(2 * splits, cols, tile)) splits *= 2;
  return splits;
}

const tilesOf = (rows: number, out: number, { tileRows, tileCols }: Tile) => Math.ceil(rows / tileRows) * Math.ceil(out / tileCols);

const tableOf = ({ input }: MatrixConfig) => (input === 'f16' ? NVIDIA : METAL);

/** Rows from which on products take matrix units. */
export function leastRows(config: MatrixConfig): number {
  return tableOf(config).leastRows;
}

/** Each tiling with the rows that it is for; together they are for all. */
export function tilingsFor(config: MatrixConfig, { out, cols, expertRows }: ProductClass): readonly TiledRows[] {
  const table = tableOf(config);
  const { few, experts } = table;
  if (expertRows !== undefined) return [{ tiling: { ...experts, tileRows: expertRows, splits: 1 }, isFor: () => true }];
  const fewTiles = few.map((tile, i): TiledRows => {
    const least = few[i - 1]?.tileRows ?? 0;
    const { tileRows } = tile;
    const splits = fewSplits(table, tile, { tiles: tilesOf(tileRows, out, tile), cols });
    return { tiling: { ...tile, splits }, mostRows: tileRows, isFor: (rows) => rows > least && rows <= tileRows };
  });
  return [...fewTiles, ...manyTiles(table, { out, cols }, few.at(-1)!.tileRows)];
}

/** Tilings for more than `least` rows. */
function manyTiles(table: MatrixTable, product: Pick<ProductClass, 'out' | 'cols'>, least: number): readonly TiledRows[] {
  const { many } = table;
  if ('tileRows' in many) return [{ tiling: { ...many, splits: 1 }, isFor: (rows) => rows > least }];
  const classes = MANY_ROWS.map((most, i): TiledRows => {
    const before = MANY_ROWS[i - 1] ?? least;
    return { tiling: fastest(table, many, { ...product, rows: most }), mostRows: most, isFor: (rows) => rows > before && rows <= most };
  });
  const last = fastest({ ...table, mostSplits: 1 }, many, { ...product, rows: MOST_ROWS });
  return [...classes, { tiling: last, isFor: (rows) => rows > MANY_ROWS.at(-1)! }];
}

interface RowsOfProduct extends Pick<ProductClass, 'out' | 'cols'> {
  readonly rows: number;
}

/** The tile and the parts of its depth that take least time. */
function fastest({ cores, mostSplits }: MatrixTable, tiles: readonly TimedTile[], { rows, out, cols }: RowsOfProduct): MatrixTiling {
  const tilings = tiles.flatMap(({ tile: whole, stepUs }) => {
    const tile = fitted(whole, cols);
    const steps = Math.ceil(cols / tile.tileDepth);
    const splits = Array.from({ length: mostSplits }, (_, i) => i + 1).filter((parts) => parts === 1 || isCut(parts, cols, tile));
    return splits.map((parts) => {
      const rounds = Math.ceil((tilesOf(rows, out, tile) * parts) / cores);
      const products = rounds * Math.ceil(steps / parts) * ((stepUs * tile.tileDepth) / whole.tileDepth);
      const sums = parts === 1 ? 0 : SUM_US + SUM_US_A_BYTE * parts * rows * out * 4;
      return { tiling: { ...tile, splits: parts }, us: START_US + products + sums + (tile.halves ? HALVES_US : 0) };
    });
  });
  return tilings.reduce((best, each) => (each.us < best.us ? each : best)).tiling;
}
