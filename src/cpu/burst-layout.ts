/** Room for steps that the threads run one after another without the host (`assembly/burst.ts`), and the writing of it. */
import { inputOf } from '../graph/graph.ts';
import type { DecoderNames } from '../graph/model-graphs.ts';
import type { CheckedRun } from '../graph/run-check.ts';
import { widthOf } from '../graph/value.ts';
import type { Value } from '../graph/value.ts';
import type { RowsAt } from './cpu-op-rules.ts';
import type { PageLayout } from './kv-pages.ts';
import type { Bump } from './memory.ts';
import { writeAngles } from './step-layout.ts';
import type { PositionTable, StepLayout } from './step-layout.ts';

/** Words of a BurstRecord and of an AnglesRecord. */
const BURST_WORDS = 19;
const ANGLES_WORDS = 3;
/** Words from the beginning of a BurstRecord. */
const DONE = 1;
const STOP = 3;

/** End tokens that a row has room for. What ends with another one is ended by the host. */
const MOST_ENDS = 8;

/** Most steps of a burst: of the bundled model's they take 10 ms. */
export const MOST_BURST_STEPS = 32;
/** Rows of all steps of a burst after its first one, of which there is room for angles. */
const MOST_BURST_ROWS = 1024;

export interface BurstLayout {
  readonly record: number;
  /** i32[steps][rows]. */
  readonly chosen: number;
  /** i32[rows] and i32[rows][MOST_ENDS]. */
  readonly over: number;
  readonly ends: number;
  /** f32[rows of all steps, 2 * frequencies] of each table of the step. */
  readonly angles: readonly number[];
}

/** `step` of the same graph. */
export function layOutBurst(bump: Bump, { tables, rows }: StepLayout): BurstLayout {
  return {
    record: bump.take(4 * (BURST_WORDS + ANGLES_WORDS * tables.length)),
    chosen: bump.take(4 * Math.max(rows, MOST_BURST_ROWS)),
    over: bump.take(4 * rows),
    ends: bump.take(4 * MOST_ENDS * rows),
    angles: tables.map(({ table }) => bump.take(MOST_BURST_ROWS * 8 * table.frequencies.length)),
  };
}

/** How many of so many steps of `rows` rows there is room for, at least one. */
export function burstSteps(steps: number, rows: number): number {
  return Math.max(1, Math.min(steps, Math.floor(MOST_BURST_ROWS / rows)));
}

/** A row of logits: the tokens behind which none of it is wanted; undefined: none is wanted at all. */
export type RowEnds = readonly number[] | undefined;

export interface Burst {
  readonly layout: BurstLayout;
  readonly step: StepLayout;
  readonly pages: PageLayout;
  readonly steps: number;
  readonly ends: readonly RowEnds[];
  readonly names: DecoderNames;
  /** The first step. */
  readonly checked: CheckedRun;
  /** Where a value lies, by its id; undefined for an input that no op reads. */
  rowsOf(id: number): RowsAt | undefined;
}

/** Writes what a burst needs beside its first step, which is written too. */
export function writeBurst(buffer: ArrayBufferLike, burst: Burst): void {
  const { layout, step, pages, steps, ends, names, checked: { graph, sizes }, rowsOf } = burst;
  const words = new Int32Array(buffer, layout.record, BURST_WORDS + ANGLES_WORDS * step.tables.length);
  const output = graph.outputs.get(names.logits) as Value;
  const logits = rowsOf(output.id) as RowsAt;
  const addressOf = (input: string) => rowsOf(inputOf(graph, input).id)?.address ?? 0;
  words.set([
    steps, 0, 0, 0, sizes['outRows'] as number, logits.address, logits.stride, widthOf(output), layout.chosen, addressOf(names.tokens),
    addressOf(names.positions), pages.pageTokens, step.groups, step.rows * 4, step.pageWords * 4, step.tables.length,
    layout.over, layout.ends, ends.filter((each) => each !== undefined).length,
  ]);
  writeEnds(buffer, layout, ends);
  for (const [i, table] of step.tables.entries()) {
    const from = layout.angles[i] as number;
    words.set([table.address, from, 8 * table.table.frequencies.length], BURST_WORDS + ANGLES_WORDS * i);
    if (steps > 1) writeLaterAngles(buffer, { ...table, address: from }, burst);
  }
}

function writeEnds(buffer: ArrayBufferLike, { over, ends: address }: BurstLayout, ends: readonly RowEnds[]): void {
  new Int32Array(buffer, over, ends.length).set(ends.map((each) => Number(each === undefined)));
  const words = new Int32Array(buffer, address, MOST_ENDS * ends.length).fill(-1);
  for (const [row, each] of ends.entries()) words.set((each ?? []).slice(0, MOST_ENDS), MOST_ENDS * row);
}

/** Those of the first step are where they are read. */
function writeLaterAngles(buffer: ArrayBufferLike, table: PositionTable, { steps, checked: { run, sizes } }: Burst): void {
  const rows = sizes['outRows'] as number;
  const numbersOf = (input: string) => run.inputs[input] as ArrayLike<number>;
  const first = numbersOf(table.input);
  const later = new Int32Array(first.length * (steps - 1));
  for (let i = 0; i < later.length; i++) later[i] = (first[i % first.length] as number) + 1 + Math.floor(i / first.length);
  const shift = table.shift === undefined ? undefined : numbersOf(table.shift);
  const shifts = shift && Int32Array.from({ length: rows * (steps - 1) }, (_, i) => shift[i % rows] as number);
  writeAngles(buffer, { ...table, address: table.address + rows * 8 * table.table.frequencies.length }, later, shifts);
}

/**
 * How many steps of a burst have run, and the tokens that were chosen in them, [steps][rows]: -1 where logits were of no use, and where no
 * token was wanted.
 */
export function readBurst(buffer: ArrayBufferLike, { record, chosen }: BurstLayout, rows: number) {
  const steps = new Int32Array(buffer, record, BURST_WORDS)[DONE] as number;
  return { steps, tokens: new Int32Array(buffer, chosen, steps * rows) };
}

/** The step of the burst that runs now is its last. */
export function stopBurst(buffer: ArrayBufferLike, { record }: BurstLayout): void {
  Atomics.store(new Int32Array(buffer, record, BURST_WORDS), STOP, 1);
}
