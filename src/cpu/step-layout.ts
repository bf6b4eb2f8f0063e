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
import type { Bump } from './memory.ts';

/** Words of a StepRecord, a TileRecord, a CombineRecord and a SequenceRecord. */
const STEP_WORDS = 10;
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
  /** Of all that a step writes, from its record on. */
  readonly words: number;
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
  const layout = {
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
  return { ...layout, words: (bump.end - layout.record) / 4 };
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
  /** Positions behind those of its rows that later steps of a burst take. Default 0. */
  readonly further?: number | undefined;
}

/** Writes the step into memory. The caller has checked sizes and pages. @throws CapacityError for more pages than there is room for */
export function writeStep(buffer: ArrayBufferLike, { sizes, sequences, positionsOf, layout, held, shape, further = 0 }: StepInput): void {
  // A recurrence goes on for ever, without pages.
  const needed = held.pages.length === 0 ? 0 : pageTableWords(sequences, { pageTokens: held.pageTokens, ahead: layout.ahead + further });
  if (needed > layout.pageWords)
    throw new CapacityError(`The page tables of a step hold ${layout.pageWords} pages, found ${needed}: use fewer sequences at a time.`);
  const words = new Uint32Array(buffer, layout.record, layout.words);
  words.set(layout.dims.map((dim) => (typeof dim === 'number' ? dim : (sizes[dim] as number))), wordAt(layout, layout.sizes));
  const pagesOf = writePlaces(words, { sequences, layout, held, further });
  for (const table of layout.tables)
    writeAngles(buffer, table, positionsOf(table.input), table.shift === undefined ? undefined : positionsOf(table.shift));
  let firstRow = 0;
  const parts = sequences.map(({ rows, start }) => {
    firstRow += rows;
    return { firstRow: firstRow - rows, rows, start };
  });
  const { tiles, combines } = cutTiles(parts, shape);
  const areWhole = tiles.every(({ sequence, rows, partial }) => partial < 0 && rows === parts[sequence]?.rows);
  let word = wordAt(layout, layout.tiles);
  for (const { sequence, firstRow: first, rows, firstPosition, keyBegin, keyEnd, partial } of tiles) {
    words.set([pagesOf[sequence] as number, first, rows, firstPosition, keyBegin, keyEnd, partial, sequence], word);
    word += TILE_WORDS;
  }
  word = wordAt(layout, layout.combines);
  for (const { row, firstPartial, partials } of combines) {
    words.set([row, firstPartial, partials], word);
    word += COMBINE_WORDS;
  }
  words.set([
    layout.sizes, layout.rowPages, layout.rowSlots, layout.tiles, tiles.length, layout.combines, combines.length, layout.sequences,
    sequences.length, areWhole ? 1 : 0,
  ]);
}

/** Index of an address among the words of a step. */
function wordAt({ record }: StepLayout, address: number): number {
  return (address - record) / 4;
}

/** Writes where rows and sequences have their state; returns the address of each sequence's table of the first group. */
function writePlaces(
  words: Uint32Array, { sequences, layout, held, further = 0 }: Pick<StepInput, 'sequences' | 'layout' | 'held' | 'further'>,
): readonly number[] {
  const { pageTokens } = held;
  const { ahead } = layout;
  const [rowPages, rowSlots] = [wordAt(layout, layout.rowPages), wordAt(layout, layout.rowSlots)];
  const tables: number[] = [];
  let row = 0;
  let tableWord = 0;
  for (const sequence of sequences) {
    const { rows, start, pages, slots, memory = 0 } = sequence;
    const used = pagesOfSequence(sequence, { pageTokens, ahead: ahead + further });
    for (const [group, addresses] of held.pages.entries()) {
      const table = wordAt(layout, layout.pages) + group * layout.pageWords + tableWord;
      const own = pages[group] ?? [];
      for (let i = 0; i < used; i++) words[table + i] = addresses[own[i] as number] as number;
      for (let behind = 0; behind <= ahead; behind++) {
        const to = rowPages + (behind * layout.groups + group) * layout.rows + row;
        for (let i = 0; i < rows; i++) words[to + i] = words[table + Math.floor((start + behind + i) / pageTokens)] as number;
      }
    }
    for (let behind = 0; behind <= ahead; behind++)
      for (let i = 0; i < rows; i++) words[rowSlots + behind * layout.rows + row + i] = (start + behind + i) % pageTokens;
    const [read, write] = [held.slots[slots?.read ?? -1] ?? 0, held.slots[slots?.write ?? -1] ?? 0];
    words.set([row, rows, read, write, memory], wordAt(layout, layout.sequences) + tables.length * SEQUENCE_WORDS);
    tables.push(layout.pages + tableWord * 4);
    row += rows;
    tableWord += used;
  }
  return tables;
}

/** Angles of rows of positions, where `table` has its address. */
export function writeAngles(
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
