/** Room for what one run of a graph works on, and the writing of it: sizes, pages, tiles of attention, tables of rotary positions. */
import type { DimSizes } from '../graph/dims.ts';
import type { SequenceRows } from '../graph/executor.ts';
import type { Graph } from '../graph/graph.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import { pageTableWords, sequenceDim } from '../graph/run-check.ts';
import type { Dim, Value } from '../graph/value.ts';
import { CapacityError } from '../tensor/errors.ts';
import { cutTiles } from './attention-tiles.ts';
import type { TileShape } from './attention-tiles.ts';
import { createRecordWriter } from './record-writer.ts';
import type { Bump } from './memory.ts';

/** Words of a StepRecord, a TileRecord and a CombineRecord. */
const STEP_WORDS = 7;
const TILE_WORDS = 7;
const COMBINE_WORDS = 3;
/** Sequences of a step that may have pages up to the whole context; more of them share the room. */
const MOST_LONG_SEQUENCES = 64;

/** The angles of one table at the positions of one input. */
export interface PositionTable {
  readonly table: RopeTable;
  /** The input that holds the positions. */
  readonly input: string;
  /** f32[rows, 2 * frequencies]. */
  readonly address: number;
}

export interface StepLayout {
  readonly record: number;
  /** Dims in the order of their sizes in memory; numbers are sizes that never change. */
  readonly dims: readonly Dim[];
  readonly sizes: number;
  readonly rowPages: number;
  readonly rowSlots: number;
  readonly tiles: number;
  readonly combines: number;
  readonly pages: number;
  readonly pageWords: number;
  readonly tables: readonly PositionTable[];
}

export interface StepLayoutOptions {
  readonly graph: Graph;
  /** Most of every dim. */
  readonly sizes: DimSizes;
  readonly maxPages: number;
  readonly threads: number;
}

/** Every dim that counts rows of some value. */
function outerDims({ inputs, nodes }: Graph): readonly Dim[] {
  const values = [...inputs.values(), ...nodes.flatMap(({ outputs }) => outputs)];
  return [...new Set(values.map(({ shape }) => shape[0] as Dim))];
}

/** The tables that the graph's rotations read, with the inputs that hold their positions. */
function positionTables(graph: Graph): readonly Omit<PositionTable, 'address'>[] {
  const found = new Map<string, Omit<PositionTable, 'address'>>();
  for (const { op, inputs, label } of graph.nodes) {
    if (op.kind !== 'rope') continue;
    const positions = inputs[1] as Value;
    if (graph.inputs.get(positions.label) !== positions) throw new Error(`graph ${graph.name}: the positions of ${label} must be an input`);
    const key = `${op.table.id} ${positions.label}`;
    const known = found.get(key);
    if (known !== undefined && known.table !== op.table) throw new Error(`graph ${graph.name}: two rope tables are called ${op.table.id}`);
    found.set(key, { table: op.table, input: positions.label });
  }
  return [...found.values()];
}

export function layOutStep(bump: Bump, { graph, sizes, maxPages, threads }: StepLayoutOptions): StepLayout {
  const words = (count: number) => bump.take(count * 4);
  const dim = sequenceDim(graph);
  const rows = dim === undefined ? 0 : (sizes[dim] as number);
  const dims = outerDims(graph);
  const pageWords = Math.max(maxPages, 1) * Math.min(rows, MOST_LONG_SEQUENCES) + rows;
  const sizeOf = (input: string) => sizes[String(graph.inputs.get(input)?.shape[0])] as number;
  return {
    dims,
    pageWords,
    record: words(STEP_WORDS),
    sizes: words(dims.length),
    rowPages: words(rows),
    rowSlots: words(rows),
    tiles: words((rows + 8 * threads) * TILE_WORDS),
    combines: words(rows * COMBINE_WORDS),
    pages: words(pageWords),
    tables: positionTables(graph).map((each) => ({ ...each, address: words(sizeOf(each.input) * 2 * each.table.frequencies.length) })),
  };
}

export interface PageAddressing {
  readonly begin: number;
  readonly pageBytes: number;
  readonly pageTokens: number;
}

export interface StepInput {
  readonly sizes: DimSizes;
  readonly sequences: readonly SequenceRows[];
  /** Numbers of an input. */
  readonly positionsOf: (input: string) => ArrayLike<number>;
  readonly layout: StepLayout;
  readonly kv: PageAddressing;
  readonly shape: TileShape;
}

/** Writes the step into memory. The caller has checked sizes and pages. @throws CapacityError for more pages than there is room for */
export function writeStep(buffer: ArrayBufferLike, { sizes, sequences, positionsOf, layout, kv, shape }: StepInput): void {
  const needed = pageTableWords(sequences, kv.pageTokens);
  if (needed > layout.pageWords)
    throw new CapacityError(`The page tables of a step hold ${layout.pageWords} pages, found ${needed}: use fewer sequences at a time.`);
  new Int32Array(buffer, layout.sizes, layout.dims.length).set(
    layout.dims.map((dim) => (typeof dim === 'number' ? dim : (sizes[dim] as number))),
  );
  const rows = sequences.reduce((sum, sequence) => sum + sequence.rows, 0);
  const rowPages = new Uint32Array(buffer, layout.rowPages, rows);
  const rowSlots = new Uint32Array(buffer, layout.rowSlots, rows);
  const pages = new Uint32Array(buffer, layout.pages, layout.pageWords);
  const pagesOf: number[] = [];
  let row = 0;
  let pageWord = 0;
  const parts = sequences.map(({ rows: own, start, pages: table }) => {
    const firstRow = row;
    pagesOf.push(layout.pages + pageWord * 4);
    const used = Math.ceil((start + own) / kv.pageTokens);
    for (let i = 0; i < used; i++) pages[pageWord + i] = kv.begin + (table[i] as number) * kv.pageBytes;
    for (let position = start; position < start + own; position++, row++) {
      rowPages[row] = pages[pageWord + Math.floor(position / kv.pageTokens)] as number;
      rowSlots[row] = position % kv.pageTokens;
    }
    pageWord += used;
    return { firstRow, rows: own, start };
  });
  for (const table of layout.tables) writeTable(buffer, table, positionsOf(table.input));
  const counts = writeTiles(buffer, layout, cutTiles(parts, shape), pagesOf);
  const record = createRecordWriter();
  record.ints(layout.sizes, layout.rowPages, layout.rowSlots, layout.tiles, counts.tiles, layout.combines, counts.combines);
  new Uint32Array(buffer, layout.record, STEP_WORDS).set(record.toWords());
}

function writeTable(buffer: ArrayBufferLike, { address, table }: PositionTable, positions: ArrayLike<number>): void {
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
