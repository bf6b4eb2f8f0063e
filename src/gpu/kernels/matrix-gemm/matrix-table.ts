/**
 * Which tile a product on matrix units takes: by its rows, by how many rows and columns its matrix has, and by what the units take. NVIDIA's
 * follow measurements on an H200 (docs/experiments.md), Metal's published designs.
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
  /** Workgroups that keep the device busy: fewer share the depth of tiles, or take smaller ones. */
  readonly busy: number;
  readonly tileDepth: number;
  /** Most workgroups that share a depth. */
  readonly mostSplits: number;
  /** Rows of tiles of few rows, each for as many: their subgroups share the depth. */
  readonly few: readonly number[];
  /** Most rows that share the depth of square tiles. */
  readonly splitRows: number;
  readonly hasLargeTiles: boolean;
}

const NVIDIA: MatrixTable = { busy: 132, tileDepth: 64, mostSplits: 8, few: [16, 32, 64], splitRows: 128, hasLargeTiles: true };
const METAL: MatrixTable = { busy: 0, tileDepth: 32, mostSplits: 1, few: [16, 32], splitRows: 0, hasLargeTiles: false };

/** Steps along the depth that a workgroup has at least. */
const LEAST_STEPS = 4;
const FEW_COLUMNS = 64;
const SQUARE = 64;
const LARGE = 128;

/** Workgroups that share a depth of `cols`, so that `tiles` of the result keep the device busy twice over. */
function splitsFor({ busy, mostSplits, tileDepth }: MatrixTable, tiles: number, cols: number): number {
  const steps = Math.ceil(cols / tileDepth);
  // Each of them has some steps, and enough.
  const isCut = (parts: number) => steps / parts >= LEAST_STEPS && (parts - 1) * Math.ceil(steps / parts) < steps;
  let splits = 1;
  while (splits < mostSplits && tiles * splits < 2 * busy && isCut(2 * splits)) splits *= 2;
  return splits;
}

/** Each tiling with the rows that it is for; together they are for all from 9 on. */
export function tilingsFor(config: MatrixConfig, { out, cols, expertRows }: ProductClass): readonly TiledRows[] {
  const table = config.input === 'f16' ? NVIDIA : METAL;
  const { tileDepth, busy, few, splitRows } = table;
  if (expertRows !== undefined) {
    const tiling: MatrixTiling = { tileRows: expertRows, tileCols: SQUARE, tileDepth, subgroups: [1, 2, 2], splits: 1 };
    return [{ tiling, isFor: () => true }];
  }
  const fewTiles = few.map((tileRows, i): TiledRows => {
    const splits = splitsFor(table, Math.ceil(out / FEW_COLUMNS), cols);
    const least = few[i - 1] ?? 0;
    return {
      tiling: { tileRows, tileCols: FEW_COLUMNS, tileDepth, subgroups: [1, 2, 2], splits },
      mostRows: tileRows,
      isFor: (rows) => rows > least && rows <= tileRows,
    };
  });
  const most = few.at(-1)!;
  const square = (splits: number): MatrixTiling => ({ tileRows: SQUARE, tileCols: SQUARE, tileDepth, subgroups: [2, 2, 1], splits });
  const splits = splitRows === 0 ? 1 : splitsFor(table, Math.ceil(splitRows / SQUARE) * Math.ceil(out / SQUARE), cols);
  const isLarge = (rows: number) => table.hasLargeTiles && Math.ceil(rows / LARGE) * Math.ceil(out / LARGE) >= busy;
  const isSplit = (rows: number) => splits > 1 && rows <= splitRows && !isLarge(rows);
  const large: MatrixTiling = { tileRows: LARGE, tileCols: LARGE, tileDepth, subgroups: [2, 2, 1], splits: 1 };
  return [
    ...fewTiles,
    ...(splits > 1 ? [{ tiling: square(splits), mostRows: splitRows, isFor: (rows: number) => rows > most && isSplit(rows) }] : []),
    { tiling: square(1), isFor: (rows) => rows > most && !isSplit(rows) && !isLarge(rows) },
    ...(table.hasLargeTiles ? [{ tiling: large, isFor: (rows: number) => rows > most && isLarge(rows) }] : []),
  ];
}
