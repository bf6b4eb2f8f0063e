/** Writes what one step works on: tokens, pages, tiles of attention and the tables of rotary positions. */
import type { SequenceStep } from '../graph/executor.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import { cutTiles } from './attention-tiles.ts';
import type { TileShape } from './attention-tiles.ts';
import { createRecordWriter } from './record-writer.ts';
import type { Bump } from './memory.ts';

/** Words of a StepRecord, a TileRecord and a CombineRecord. */
const STEP_WORDS = 10;
const TILE_WORDS = 7;
const COMBINE_WORDS = 3;

export interface StepLayout {
  readonly maxRows: number;
  readonly record: number;
  readonly tokens: number;
  readonly outIndices: number;
  readonly rowPages: number;
  readonly rowSlots: number;
  readonly tiles: number;
  readonly combines: number;
  readonly pages: number;
  readonly pageWords: number;
  /** By id: f32[maxRows, 2 * frequencies]. */
  readonly tables: ReadonlyMap<string, { readonly address: number; readonly table: RopeTable }>;
}

export interface StepLayoutOptions {
  readonly maxRows: number;
  readonly maxPages: number;
  readonly threads: number;
  readonly tables: readonly RopeTable[];
}

export function layOutStep(bump: Bump, { maxRows, maxPages, threads, tables }: StepLayoutOptions): StepLayout {
  const words = (count: number) => bump.take(count * 4);
  const mostTiles = maxRows + 8 * threads;
  const pageWords = Math.max(maxPages, 1) * Math.min(maxRows, 64) + maxRows;
  return {
    maxRows,
    pageWords,
    record: words(STEP_WORDS),
    tokens: words(maxRows),
    outIndices: words(maxRows),
    rowPages: words(maxRows),
    rowSlots: words(maxRows),
    tiles: words(mostTiles * TILE_WORDS),
    combines: words(maxRows * COMBINE_WORDS),
    pages: words(pageWords),
    tables: new Map(tables.map((table) => [table.id, { table, address: words(maxRows * 2 * table.frequencies.length) }])),
  };
}

export interface PageAddressing {
  readonly begin: number;
  readonly pageBytes: number;
  readonly pageTokens: number;
}

export interface StepInput {
  readonly sequences: readonly SequenceStep[];
  readonly layout: StepLayout;
  readonly kv: PageAddressing;
  readonly shape: TileShape;
}

/** Writes the step into memory and gives its sizes. The caller has checked tokens, pages and limits. */
export function writeStep(buffer: ArrayBufferLike, { sequences, layout, kv, shape }: StepInput) {
  const rows = sequences.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const tokens = new Uint32Array(buffer, layout.tokens, rows);
  const outIndices = new Uint32Array(buffer, layout.outIndices, layout.maxRows);
  const rowPages = new Uint32Array(buffer, layout.rowPages, rows);
  const rowSlots = new Uint32Array(buffer, layout.rowSlots, rows);
  const pages = new Uint32Array(buffer, layout.pages, layout.pageWords);
  const positions = new Float64Array(rows);
  const pagesOf: number[] = [];
  let row = 0;
  let outRows = 0;
  let pageWord = 0;
  const parts = sequences.map((sequence) => {
    const firstRow = row;
    pagesOf.push(layout.pages + pageWord * 4);
    const used = Math.ceil((sequence.start + sequence.tokens.length) / kv.pageTokens);
    for (let i = 0; i < used; i++) pages[pageWord + i] = kv.begin + (sequence.pages[i] as number) * kv.pageBytes;
    for (const at of sequence.outputs) outIndices[outRows++] = firstRow + at;
    for (let i = 0; i < sequence.tokens.length; i++, row++) {
      const position = sequence.start + i;
      tokens[row] = sequence.tokens[i] as number;
      positions[row] = position;
      rowPages[row] = pages[pageWord + Math.floor(position / kv.pageTokens)] as number;
      rowSlots[row] = position % kv.pageTokens;
    }
    pageWord += used;
    return { firstRow, rows: sequence.tokens.length, start: sequence.start };
  });
  writeTables(buffer, layout, positions);
  const counts = writeTiles(buffer, layout, cutTiles(parts, shape), pagesOf);
  const record = createRecordWriter();
  record.ints(rows, outRows, layout.tokens, layout.outIndices, layout.rowPages, layout.rowSlots);
  record.ints(layout.tiles, counts.tiles, layout.combines, counts.combines);
  new Uint32Array(buffer, layout.record, STEP_WORDS).set(record.toWords());
  return { rows, outRows };
}

/** Words that the page tables of a step take. */
export function pageTableWords(sequences: readonly SequenceStep[], pageTokens: number): number {
  return sequences.reduce((sum, { start, tokens }) => sum + Math.ceil((start + tokens.length) / pageTokens), 0);
}

function writeTables(buffer: ArrayBufferLike, layout: StepLayout, positions: Float64Array): void {
  for (const { address, table } of layout.tables.values()) {
    const half = table.frequencies.length;
    const out = new Float32Array(buffer, address, positions.length * 2 * half);
    for (let row = 0; row < positions.length; row++) {
      for (let i = 0; i < half; i++) {
        const angle = (positions[row] as number) * (table.frequencies[i] as number);
        out[row * 2 * half + i] = Math.cos(angle);
        out[row * 2 * half + half + i] = Math.sin(angle);
      }
    }
  }
}

function writeTiles(buffer: ArrayBufferLike, layout: StepLayout, cut: ReturnType<typeof cutTiles>, pagesOf: readonly number[]) {
  const tiles = createRecordWriter();
  for (const tile of cut.tiles) {
    tiles.ints(pagesOf[tile.sequence] as number, tile.firstRow, tile.rows, tile.firstPosition, tile.keyBegin, tile.keyEnd, tile.partial);
  }
  const combines = createRecordWriter();
  for (const { row, firstPartial, partials } of cut.combines) combines.ints(row, firstPartial, partials);
  new Uint32Array(buffer, layout.tiles, tiles.length).set(tiles.toWords());
  new Uint32Array(buffer, layout.combines, combines.length).set(combines.toWords());
  return { tiles: cut.tiles.length, combines: cut.combines.length };
}
