/**
 * WGSL that brings the tiles of x and W for one step along K into workgroup memory. The data of the next step are fetched into
 * registers (`Fetched`) before the current step is computed, so that their latency hides behind it. What a unit is, and how it
 * is read and put, is the arithmetic's ({@link TileArithmetic}).
 */
import { range, unrolled } from '../../wgsl/expressions.ts';
import type { LinearShape } from '../../linear-shape.ts';
import type { GemmGeometry } from './gemm-geometry.ts';

/** How units of a kernel are read and put. Statements see `lane`, `tile: Tile`, and what is said at each. */
export interface TileStaging {
  /** Members of `Fetched` for unit slot `u`. */
  fetched(u: number): string;
  /** Reads unit `unit` of row `row` of x into `f`. */
  fetchX(u: number): string;
  /** Reads unit `unit` of row `row` of part `n` into `f`. */
  fetchW(u: number, n: number): string;
  /** Writes what was fetched to unit `slot` of line `line` of the tiles. */
  putX(u: number): string;
  putW(u: number): string;
}

/** The part of the text that differs between int8 and f32. */
export interface TileArithmetic extends TileStaging {
  /** Workgroup variables and functions. */
  readonly declarations: string;
  /** Adds the products of the tiles to the accumulators `a{i}_{j}`; sees `tx` and `ty`. */
  readonly multiply: string;
  /** Member of `Fetched` whose sum over a row is what the row's norm factor is made of; undefined where there is no norm. */
  readonly share: ((u: number) => string) | undefined;
  /** The factor, from that sum named `sum`. */
  readonly normFactor: string;
  /** Writes the f32 `value` to element `at` of the tile of x and reads it back, when the products are done. */
  readonly spill: { write(at: string, value: string): string; read(at: string): string };
}

/** With experts, rows of x are places in `lists`, and the part's W begins at its expert's rows. */
export function tileStruct({ experts }: Pick<LinearShape, 'experts'>): string {
  return `struct Tile {
  // First row of x and of the part's W, their ends, and the part.
  row: u32, rows: u32, first: u32, count: u32, part: u32,${experts ? ' base: u32,' : ''}
}`;
}

/** What the texts of staging depend on. */
export type StagedTile = Pick<GemmGeometry, 'tileRows' | 'tileCols' | 'unitsPerLine' | 'workgroupSize' | 'units' | 'hasTail'>;

/** Fetches of one invocation for a tile of x and one of W. */
function fetchesEach({ tileRows, tileCols, unitsPerLine, workgroupSize }: StagedTile): number {
  return Math.ceil(((tileRows + tileCols) * unitsPerLine) / workgroupSize);
}

/** The fetches u that touch x at all. */
export function fetchesOfX({ tileRows, unitsPerLine, workgroupSize }: StagedTile): number {
  return Math.ceil((tileRows * unitsPerLine) / workgroupSize);
}

/** Text of fetch u: which of x and W the lanes take is known here but for the fetch that has the border between them. */
function split(geometry: StagedTile, u: number, texts: { x: string; w: string }): string {
  const { tileRows, tileCols, unitsPerLine, workgroupSize } = geometry;
  const begin = u * workgroupSize;
  const border = tileRows * unitsPerLine;
  const end = border + tileCols * unitsPerLine;
  const shift = Math.log2(unitsPerLine);
  const place = (from: number) => {
    const offset = begin - from;
    const index = offset === 0 ? 'lane' : offset > 0 ? `(lane + ${offset}u)` : `(lane - ${-offset}u)`;
    return `let line = ${index} >> ${shift}u; let slot = ${index} & ${unitsPerLine - 1}u;`;
  };
  const x = `${place(0)}\n${texts.x}`;
  const w = `${place(border)}\n${texts.w}`;
  const untilEnd = (text: string) => (begin + workgroupSize > end ? `if (lane < ${end - begin}u) {\n${text}\n}` : `{\n${text}\n}`);
  if (begin >= border) return untilEnd(w);
  if (begin + workgroupSize <= border) return `{\n${x}\n}`;
  return `if (lane < ${border - begin}u) {\n${x}\n} else ${untilEnd(w)}`;
}

/** Branches over the parts; the condition is the same for a whole workgroup. */
function byPart(parts: number, text: (n: number) => string): string {
  const branches = range(parts - 1).map((n) => `if (tile.part == ${n}u) {\n${text(n)}\n} else `);
  return `${branches.join('')}{\n${text(parts - 1)}\n}`;
}

/** `Fetched` and `fn fetch(k, lane, tile) -> Fetched`, the units of step k. */
export function fetchFunction(
  geometry: StagedTile, arithmetic: TileStaging, { parts: { length: parts }, experts }: Pick<LinearShape, 'parts' | 'experts'>,
): string {
  const { unitsPerLine, units, hasTail } = geometry;
  const rowOfX = 'min(tile.row + line, tile.rows - 1u)';
  const rowOfW = 'min(tile.first + line, tile.count - 1u)';
  const inside = (text: string) => (hasTail ? `if (unit < ${units}u) {\n${text}\n}` : text);
  const unit = `let unit = k * ${unitsPerLine}u + slot;`;
  const text = (u: number) => split(geometry, u, {
    x: `${unit}\nlet row = ${experts ? `xRowOf(lists[${rowOfX}])` : rowOfX};\n${inside(arithmetic.fetchX(u))}`,
    w: `${unit}\nlet row = ${experts ? `tile.base + ${rowOfW}` : rowOfW};\n${inside(byPart(parts, (n) => arithmetic.fetchW(u, n)))}`,
  });
  const count = fetchesEach(geometry);
  return `struct Fetched {\n${unrolled(count, (u) => arithmetic.fetched(u))}\n}
fn fetch(k: u32, lane: u32, tile: Tile) -> Fetched {
  var f: Fetched;
${unrolled(count, text)}
  return f;
}`;
}

/** Statements that put the fetched `f` into the tiles and add up the shares of the norms. */
export function putText(geometry: StagedTile, arithmetic: TileStaging & Partial<Pick<TileArithmetic, 'share'>>): string {
  const { share } = arithmetic;
  const shares = share ? unrolled(fetchesOfX(geometry), (u) => `share${u} += ${share(u)};`) : '';
  return `${unrolled(fetchesEach(geometry), (u) => split(geometry, u, { x: arithmetic.putX(u), w: arithmetic.putW(u) }))}\n${shares}`;
}
