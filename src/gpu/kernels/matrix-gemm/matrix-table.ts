/**
 * Which tile a product on matrix units takes: by its rows, by how many rows and columns its matrix has, and by what the units take.
 * NVIDIA's follow measurements on an H200 (docs/experiments.md), Metal's published designs.
 */
import { range } from '../../wgsl/expressions.ts';
import type { MatrixConfig } from '../../wgsl/subgroup-matrix.ts';
import type { MatrixTiling } from './matrix-geometry.ts';

/** A product's class, as far as the table goes. */
export interface ProductClass {
  /** Rows of W, of one expert where there are several. */
  readonly out: number;
  readonly cols: number;
  /** True: rows of x are pairs of an expert, of which a tile has so many. */
  readonly expertRows: number | undefined;
  /** Whether x is of floats: tiles of many rows that unpack it read all of each row first, a lane 256 values one after another. */
  readonly isFloat?: boolean | undefined;
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

/** A tile of many rows, how many microseconds a workgroup takes for each step of its depth, and how many of them a core holds. */
interface TimedTile {
  readonly tile: Tile;
  readonly stepUs: number;
  readonly perCore: number;
  /** Products for which it was measured to take much longer than that says. */
  readonly except?: readonly RowsOfProduct[];
}

/** Tiles for so many rows at most. */
interface FewRows {
  readonly most: number;
  /** Workgroups of them that a core holds. */
  readonly perCore: number;
  /** Of products with columns enough for most cores, whose depth is not shared. */
  readonly wide: Tile;
  /** Of others. */
  readonly narrow: Tile;
}

interface MatrixTable {
  /** Cores: with fewer workgroups some are idle. */
  readonly cores: number;
  /** Most workgroups that share a depth, of many rows and of few. */
  readonly mostSplits: number;
  readonly mostFewSplits: number;
  /** Fewer rows take GEMVs. */
  readonly leastRows: number;
  /** Tiles of few rows. */
  readonly few: readonly FewRows[];
  /** Of a product with experts; its rows follow the lists. */
  readonly experts: Omit<Tile, 'tileRows'>;
  /** Where all products of a layer take one text for up to `rows` rows; of the tiles of many rows that of halves. */
  readonly oneText?: { readonly rows: number; readonly leastWidth: number; readonly mostSums: number };
  /** Of more rows: the one for all, or those of which the fastest by estimate is taken. */
  readonly many: Tile | readonly TimedTile[];
}

type Cut = Pick<Tile, 'tileRows' | 'tileCols' | 'tileDepth' | 'subgroups'>;

/** Tiles that unpack x for themselves, and those that take it as halves. */
const unpacking = (cut: Cut, burst: Tile['burst'] = 1): Tile => ({ ...cut, areHalvesReady: false, burst });
const ofHalves = (cut: Cut): Tile => ({ ...cut, areHalvesReady: true, burst: 1 });

/** Of few rows: subgroups share the depth. */
const fewTile = (tileRows: number, tileCols: number, tileDepth = 64): Cut =>
  ({ tileRows, tileCols, tileDepth, subgroups: [1, tileCols / 32, 2] });

/** q, k and v of Qwen3-4B took 120 us where 81 were expected; those of Qwen3-8B, not measured, are left as they were too. */
const QKV_OF_512: readonly RowsOfProduct[] = [2560, 4096].map((cols) => ({ rows: 512, out: 6144, cols }));

/**
 * An H200. Its cores hold workgroups of 48 KiB together, and few of 128 invocations with 4 x 4 sums each, so that a product takes whole
 * rounds: 128 rows of gate and up are two rounds of 128 columns (152 workgroups), and one of 160. Times of steps are measured.
 */
const NVIDIA: MatrixTable = {
  cores: 132, mostSplits: 8, mostFewSplits: 16, leastRows: 5,
  few: [
    { most: 16, perCore: 4, wide: unpacking(fewTile(16, 64)), narrow: unpacking(fewTile(16, 64), 2) },
    { most: 32, perCore: 3, wide: unpacking(fewTile(32, 64)), narrow: unpacking(fewTile(32, 64), 2) },
    { most: 64, perCore: 1, wide: unpacking(fewTile(64, 160)), narrow: unpacking(fewTile(64, 160)) },
  ],
  experts: unpacking(fewTile(32, 64)),
  // Narrower models lose more by the one tile than by several texts. Sums of a row, of all parts: 64 MB in all.
  oneText: { rows: 512, leastWidth: 2560, mostSums: 32768 },
  many: [
    // One step a burst: its text, and so what a chunk of 128 rows loses between its kernels, is a third shorter.
    { tile: unpacking({ tileRows: 128, tileCols: 128, tileDepth: 64, subgroups: [2, 4, 1] }), stepUs: 1.33, perCore: 1 },
    { tile: unpacking({ tileRows: 128, tileCols: 160, tileDepth: 64, subgroups: [2, 5, 1] }, 2), stepUs: 1.67, perCore: 1 },
    {
      tile: unpacking({ tileRows: 128, tileCols: 192, tileDepth: 64, subgroups: [2, 6, 1] }, 2), stepUs: 1.9, perCore: 1,
      except: QKV_OF_512,
    },
    { tile: ofHalves({ tileRows: 256, tileCols: 64, tileDepth: 64, subgroups: [4, 1, 1] }), stepUs: 2, perCore: 2 },
  ],
};

/** What a workgroup of each of NVIDIA's tiles of many rows takes for a step of its depth, and how many of them a core holds. */
export const H200_TILES = (NVIDIA.many as readonly TimedTile[]).map(({ tile: { tileRows, tileCols, tileDepth }, stepUs, perCore }) => (
  { tileRows, tileCols, tileDepth, stepUs, perCore }));

const METAL: MatrixTable = {
  cores: 0, mostSplits: 1, mostFewSplits: 1, leastRows: 9,
  few: [16, 32].map((most) => ({ most, perCore: 0, wide: unpacking(fewTile(most, 64, 32)), narrow: unpacking(fewTile(most, 64, 32)) })),
  experts: unpacking(fewTile(32, 64, 32)),
  many: unpacking({ tileRows: 64, tileCols: 64, tileDepth: 32, subgroups: [2, 2, 1] }),
};

/** Elements of the depth that a workgroup has at least. */
const LEAST_DEPTH = 256;
/** Classes of many rows end here, and what their estimates are for; those of the last share no depth. */
const MANY_ROWS = [128, 512] as const;
const MOST_ROWS = 1024;
/** Microseconds that a dispatch takes beside its steps: of the product, of the sums of parts and for each byte of them, of x as halves. */
const START_US = 5;
const SUM_US = 4;
const SUM_US_A_BYTE = 1e-6;
const HALVES_US = 4;

function fitted(tile: Tile, cols: number): Tile {
  let { tileDepth } = tile;
  while (tile.areHalvesReady && cols % tileDepth !== 0) tileDepth /= 2;
  return { ...tile, tileDepth };
}

/** Whether each of so many parts of a depth has enough. */
function isCut(parts: number, cols: number, { tileDepth, burst }: Tile): boolean {
  return cols / parts >= LEAST_DEPTH && parts <= Math.ceil(Math.ceil(cols / tileDepth) / burst);
}

/** Workgroups that share the depth of a tile: no more than there are places for, and no more than makes a part shorter. */
function fewSplits({ mostFewSplits }: MatrixTable, tile: Tile, { perTile, cols }: { readonly perTile: number; readonly cols: number }) {
  let most = 1;
  while (most < mostFewSplits && most + 1 <= perTile && isCut(most + 1, cols, tile)) most += 1;
  const bursts = Math.ceil(Math.ceil(cols / tile.tileDepth) / tile.burst);
  return Math.ceil(bursts / Math.ceil(bursts / most));
}

/** All places of the cores are taken at a time, by parts of depths where there are two or more for a tile. */
function fewTiling(
  table: MatrixTable, { most, perCore, wide, narrow }: FewRows, { out, cols }: Pick<ProductClass, 'out' | 'cols'>,
): MatrixTiling {
  const places = perCore * table.cores;
  const splitsOf = (tile: Tile) => fewSplits(table, tile, { perTile: places / tilesOf(most, out, tile), cols });
  if (splitsOf(wide) > 1) return { ...narrow, splits: splitsOf(narrow) };
  return { ...wide, splits: 1 };
}

const tilesOf = (rows: number, out: number, { tileRows, tileCols }: Tile) => Math.ceil(rows / tileRows) * Math.ceil(out / tileCols);

const tableOf = ({ input }: MatrixConfig) => (input === 'f16' ? NVIDIA : METAL);

/** Rows from which on products take matrix units. */
export function leastRows(config: MatrixConfig): number {
  return tableOf(config).leastRows;
}

/** Each tiling with the rows that it is for; together they are for all. */
export function tilingsFor(config: MatrixConfig, { out, cols, expertRows, isFloat = false }: ProductClass): readonly TiledRows[] {
  const table = tableOf(config);
  const { few, experts } = table;
  if (expertRows !== undefined) return [{ tiling: { ...experts, tileRows: expertRows, splits: 1 }, isFor: () => true }];
  const product = { out, cols, isFloat };
  const fewTiles = few.map((rowsOfTile, i): TiledRows => {
    const { most } = rowsOfTile;
    const least = few[i - 1]?.most ?? 0;
    return { tiling: fewTiling(table, rowsOfTile, { out, cols }), mostRows: most, isFor: (rows) => rows > least && rows <= most };
  });
  return [...fewTiles, ...manyTiles(table, product, few.at(-1)!.most)];
}

/** Tilings for more than `least` rows. */
function manyTiles(table: MatrixTable, product: ManyRows, least: number): readonly TiledRows[] {
  const { many } = table;
  if ('tileRows' in many) return [{ tiling: { ...many, splits: 1 }, isFor: (rows) => rows > least }];
  const classes = MANY_ROWS.map((most, i): TiledRows => {
    const before = MANY_ROWS[i - 1] ?? least;
    return { tiling: fastest(table, many, { ...product, rows: most }), mostRows: most, isFor: (rows) => rows > before && rows <= most };
  });
  const last = fastest({ ...table, mostSplits: 1 }, many, { ...product, rows: MOST_ROWS });
  return [...classes, { tiling: last, isFor: (rows) => rows > MANY_ROWS.at(-1)! }];
}

type ManyRows = Omit<ProductClass, 'expertRows'>;

interface RowsOfProduct extends ManyRows {
  readonly rows: number;
}

/** Whether a product is of a layer that shares a text at so many rows: the narrow side of all four of a layer is the model's width. */
function sharesText({ oneText }: MatrixTable, { rows, out, cols }: RowsOfProduct): boolean {
  return oneText !== undefined && rows === oneText.rows && Math.min(out, cols) >= oneText.leastWidth && out <= oneText.mostSums;
}

/** The tile and the parts of its depth that take least time. */
function fastest(table: MatrixTable, tiles: readonly TimedTile[], product: RowsOfProduct): MatrixTiling {
  const { cores, mostSplits, oneText: { mostSums } = { mostSums: 0 } } = table;
  const { rows, out, cols, isFloat } = product;
  const isShared = sharesText(table, product);
  const isOwn = (each: RowsOfProduct) => each.rows === rows && each.out === out && each.cols === cols;
  const isMeant = (timed: TimedTile) => (isShared || isFloat ? timed.tile.areHalvesReady : timed.except?.some(isOwn) !== true);
  const tilings = tiles.filter(isMeant).flatMap(({ tile: whole, stepUs, perCore }) => {
    const tile = fitted(whole, cols);
    const steps = Math.ceil(cols / tile.tileDepth);
    const isRoom = (parts: number) => !isShared || parts * out <= mostSums;
    const splits = range(mostSplits).map((i) => i + 1).filter((parts) => parts === 1 || (isCut(parts, cols, tile) && isRoom(parts)));
    return splits.map((parts) => {
      const rounds = Math.ceil((tilesOf(rows, out, tile) * parts) / (perCore * cores));
      const products = rounds * Math.ceil(steps / parts) * ((stepUs * tile.tileDepth) / whole.tileDepth);
      const sums = parts === 1 && !isShared ? 0 : SUM_US + SUM_US_A_BYTE * parts * rows * out * 4;
      const tiling = { ...tile, splits: parts, ...(isShared && { leavesSums: true as const }) };
      return { tiling, us: START_US + products + sums + (tile.areHalvesReady ? HALVES_US : 0) };
    });
  });
  return tilings.reduce((best, each) => (each.us < best.us ? each : best)).tiling;
}
