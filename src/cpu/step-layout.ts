/** Room for what one run of a graph works on, and the writing of it: sizes, pages, tiles of attention, tables of rotary positions. */
import type { DimSizes } from '../graph/dims.ts';
import type { SequenceRows } from '../graph/executor.ts';
import type { Graph } from '../graph/graph.ts';
import { axesOf } from '../graph/ops/rope.ts';
import { rotationsOf } from '../graph/rotations.ts';
import type { Rotation } from '../graph/rotations.ts';
import { pagesOfSequence, pageTableWords, positionsAhead, sequenceDim } from '../graph/run-check.ts';
import type { Dim } from '../graph/value.ts';
import { CapacityError } from '../tensor/errors.ts';
import { cutTiles } from './attention-tiles.ts';
import type { TileShape } from './attention-tiles.ts';
import { createRecordWriter } from './record-writer.ts';
import type { Bump } from './memory.ts';

/** Words of a StepRecord, a TileRecord, a CombineRecord and a SequenceRecord. */
const STEP_WORDS = 9;
const TILE_WORDS = 8;
const COMBINE_WORDS = 3;
const SEQUENCE_WORDS = 5;
/** Sequences of a step that may have pages up to the whole context; more of them share the room. */
const MOST_LONG_SEQUENCES = 64;

/** Where the angles of a rotation lie. */
export interface PositionTable extends Rotation {
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
  readonly sequences: number;
  /** Tables of pages of one group after another. */
  readonly pages: number;
  /** Words of the tables of a group. */
  readonly pageWords: number;
  /** Most rows of all sequences. */
  readonly rows: number;
  /** Groups of paged states. */
  readonly groups: number;
  /** Positions that a run makes behind those of its rows. */
  readonly ahead: number;
  readonly tables: readonly PositionTable[];
}

export interface StepLayoutOptions {
  readonly graph: Graph;
  /** Most of every dim. */
  readonly sizes: DimSizes;
  readonly maxPages: number;
  readonly threads: number;
  /** Groups of paged states. */
  readonly groups: number;
}

/** Every dim that counts rows of some value. */
function outerDims({ inputs, nodes }: Graph): readonly Dim[] {
  const values = [...inputs.values(), ...nodes.flatMap(({ outputs }) => outputs)];
  return [...new Set(values.map(({ shape }) => shape[0] as Dim))];
}

export function layOutStep(bump: Bump, { graph, sizes, maxPages, threads, groups }: StepLayoutOptions): StepLayout {
  const words = (count: number) => bump.take(count * 4);
  const dim = sequenceDim(graph);
  const rows = dim === undefined ? 0 : (sizes[dim] as number);
  const dims = outerDims(graph);
  const ahead = positionsAhead(graph);
  const pageWords = Math.max(maxPages, 1) * Math.min(rows, MOST_LONG_SEQUENCES) + rows;
  const sizeOf = (input: string) => sizes[String(graph.inputs.get(input)?.shape[0])] as number;
  return {
    dims,
    pageWords,
    rows,
    groups,
    ahead,
    record: words(STEP_WORDS),
    sizes: words(dims.length),
    rowPages: words((ahead + 1) * rows * groups),
    rowSlots: words((ahead + 1) * rows),
    tiles: words((rows + 8 * threads) * TILE_WORDS),
    combines: words(rows * COMBINE_WORDS),
    sequences: words(rows * SEQUENCE_WORDS),
    pages: words(pageWords * groups),
    tables: rotationsOf(graph).map((each) => ({ ...each, address: words(sizeOf(each.input) * 2 * each.table.frequencies.length) })),
  };
}

/** Where pages and slots lie. */
export interface StateAddresses {
  /** By group, then page. */
  readonly pages: readonly (readonly number[])[];
  /** By slot. */
  readonly slots: readonly number[];
  readonly pageTokens: number;
}

export interface StepInput {
  readonly sizes: DimSizes;
  readonly sequences: readonly SequenceRows[];
  /** Numbers of an input. */
  readonly positionsOf: (input: string) => ArrayLike<number>;
  readonly layout: StepLayout;
  readonly held: StateAddresses;
  readonly shape: TileShape;
}

/** Writes the step into memory. The caller has checked sizes and pages. @throws CapacityError for more pages than there is room for */
export function writeStep(buffer: ArrayBufferLike, { sizes, sequences, positionsOf, layout, held, shape }: StepInput): void {
  // A recurrence goes on for ever, without pages.
  const needed = held.pages.length === 0 ? 0 : pageTableWords(sequences, { pageTokens: held.pageTokens, ahead: layout.ahead });
  if (needed > layout.pageWords)
    throw new CapacityError(`The page tables of a step hold ${layout.pageWords} pages, found ${needed}: use fewer sequences at a time.`);
  new Int32Array(buffer, layout.sizes, layout.dims.length).set(
    layout.dims.map((dim) => (typeof dim === 'number' ? dim : (sizes[dim] as number))),
  );
  const pagesOf = writePlaces(buffer, { sequences, layout, held });
  let firstRow = 0;
  const parts = sequences.map(({ rows, start }) => {
    firstRow += rows;
    return { firstRow: firstRow - rows, rows, start };
  });
  for (const table of layout.tables)
    writeTable(buffer, table, positionsOf(table.input), table.shift === undefined ? undefined : positionsOf(table.shift));
  const counts = writeTiles(buffer, layout, cutTiles(parts, shape), pagesOf);
  const record = createRecordWriter();
  record.ints(layout.sizes, layout.rowPages, layout.rowSlots, layout.tiles, counts.tiles, layout.combines, counts.combines);
  record.ints(layout.sequences, sequences.length);
  new Uint32Array(buffer, layout.record, STEP_WORDS).set(record.toWords());
}

/** Writes where rows and sequences have their state; returns the address of each sequence's table of the first group. */
function writePlaces(
  buffer: ArrayBufferLike,
  { sequences, layout, held }: Pick<StepInput, 'sequences' | 'layout' | 'held'>,
): readonly number[] {
  const { pageTokens } = held;
  const { ahead } = layout;
  const rowSlots = new Uint32Array(buffer, layout.rowSlots, (ahead + 1) * layout.rows);
  const records = createRecordWriter();
  const tables: number[] = [];
  let row = 0;
  let word = 0;
  for (const sequence of sequences) {
    const { rows, start, pages, slots, memory = 0 } = sequence;
    const used = pagesOfSequence(sequence, { pageTokens, ahead });
    for (const [group, addresses] of held.pages.entries()) {
      const table = new Uint32Array(buffer, layout.pages + (group * layout.pageWords + word) * 4, used);
      const own = pages[group] ?? [];
      for (let i = 0; i < used; i++) table[i] = addresses[own[i] as number] as number;
      for (let behind = 0; behind <= ahead; behind++) {
        const rowPages = new Uint32Array(buffer, layout.rowPages + ((behind * layout.groups + group) * layout.rows + row) * 4, rows);
        for (let i = 0; i < rows; i++) rowPages[i] = table[Math.floor((start + behind + i) / pageTokens)] as number;
      }
    }
    for (let behind = 0; behind <= ahead; behind++)
      for (let i = 0; i < rows; i++) rowSlots[behind * layout.rows + row + i] = (start + behind + i) % pageTokens;
    records.ints(row, rows, held.slots[slots?.read ?? -1] ?? 0, held.slots[slots?.write ?? -1] ?? 0, memory);
    tables.push(layout.pages + word * 4);
    row += rows;
    word += used;
  }
  new Uint32Array(buffer, layout.sequences, records.length).set(records.toWords());
  return tables;
}

function writeTable(
  buffer: ArrayBufferLike, { address, table }: PositionTable, positions: ArrayLike<number>, shift?: ArrayLike<number>,
): void {
  const half = table.frequencies.length;
  const { magnitude = 1, axes = [] } = table;
  const perRow = axesOf(table);
  const rows = positions.length / perRow;
  const out = new Float32Array(buffer, address, rows * 2 * half);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < half; i++) {
      const position = (positions[row * perRow + (axes[i] ?? 0)] as number) + (shift?.[row] ?? 0);
      const angle = position * (table.frequencies[i] as number);
      out[row * 2 * half + i] = magnitude * Math.cos(angle);
      out[row * 2 * half + half + i] = magnitude * Math.sin(angle);
    }
  }
}

function writeTiles(buffer: ArrayBufferLike, layout: StepLayout, cut: ReturnType<typeof cutTiles>, pagesOf: readonly number[]) {
  const tiles = createRecordWriter();
  for (const tile of cut.tiles) {
    const { sequence, firstRow, rows, firstPosition, keyBegin, keyEnd, partial } = tile;
    tiles.ints(pagesOf[sequence] as number, firstRow, rows, firstPosition, keyBegin, keyEnd, partial, sequence);
  }
  const combines = createRecordWriter();
  for (const { row, firstPartial, partials } of cut.combines) combines.ints(row, firstPartial, partials);
  new Uint32Array(buffer, layout.tiles, tiles.length).set(tiles.toWords());
  new Uint32Array(buffer, layout.combines, combines.length).set(combines.toWords());
  return { tiles: cut.tiles.length, combines: cut.combines.length };
}
