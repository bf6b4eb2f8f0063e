/** What the CPU executor has to know of the ops of its plans, and how an op of the graph becomes some of them. */
import type { Step } from '../graph/graph.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import { widthOf } from '../graph/value.ts';
import type { Dim, WeightRef } from '../graph/value.ts';
import type { TypeOf } from '../graph/weight-lookup.ts';
import type { CpuStepOf, CpuValue } from './cpu-value.ts';
import type { PageLayout } from './kv-pages.ts';
import type { MatrixSizes } from './packed-layout.ts';
import type { RecordWriter } from './record-writer.ts';

export interface RowsAt {
  readonly address: number;
  /** Bytes from row to row. */
  readonly stride: number;
}

export interface MatrixAt extends MatrixSizes {
  /** Of the first matrix, behind its head if it is packed. */
  readonly address: number;
  readonly typeCode: number;
}

/** Where everything lies that records name. */
export interface Addresses {
  rowsOf(value: CpuValue): RowsAt;
  matrix(id: string): MatrixAt;
  /** A gain or a bias as f32. */
  vector(id: string): number;
  /** (cos, sin) of a table's angles at the positions that a value holds, plus those of `shift`, f32[rows, 2 * frequencies]. */
  ropeTable(table: RopeTable, positions: CpuValue, shift?: CpuValue): number;
  /** Number of a dim in the step's list of sizes. */
  dim(name: Dim): number;
  /**
   * Bytes from the page tables of the first group to those of another, and from the pages of rows, and their places in these, to those of
   * positions so many behind.
   */
  pageTables(group: number, ahead: number): { readonly pages: number; readonly rowPages: number; readonly rowSlots: number };
  readonly partials: number;
  readonly pages: PageLayout;
  readonly threads: number;
}

export interface CpuOpRules<Op extends { readonly kind: string }> {
  /** Its number in `assembly/program.ts`. */
  readonly code: number;
  /** What a line of a printed plan says of it. */
  describe(op: Op, typeOf: TypeOf): string;
  /** Writes the fields of its record (`assembly/step-records.ts`) after the head. */
  write(out: RecordWriter, step: CpuStepOf<Op>, at: Addresses): void;
}

/** What lowering offers to an op of the graph. */
export interface Lowering {
  /** The form of `x` that products with a weight read: int8 codes for quantised ones, made once for each value. */
  inputFor(weight: WeightRef, x: CpuValue): CpuValue;
}

/** The op of the CPU plan for one of the graph, with its inputs where they are not the node's own. */
export type Lower<From extends { readonly kind: string }, To> = (
  node: Step<From, CpuValue>,
  lowering: Lowering,
) => { readonly op: To; readonly inputs?: readonly CpuValue[] };

/** Address and stride of a value, or zeros where there is none. */
export function rowsAt(at: Addresses, value: CpuValue | undefined): readonly [number, number] {
  if (value === undefined) return [0, 0];
  const { address, stride } = at.rowsOf(value);
  return [address, stride];
}

/** Address of a weight as f32, or zero where there is none. */
export function vectorAt(at: Addresses, weight: WeightRef | undefined): number {
  return weight === undefined ? 0 : at.vector(weight.id);
}

/** The record that ops on single values share (`RowRecord`): one or two inputs, one output, and a word of their own. */
export function writeRows(out: RecordWriter, { inputs, outputs }: CpuStepOf<{ readonly kind: string }>, at: Addresses, word = 0): void {
  out.ints(...rowsAt(at, inputs[0]), ...rowsAt(at, inputs[1]), ...rowsAt(at, outputs[0]), widthOf(outputs[0] as CpuValue), word);
}

/** The record of ops on single values with a number (`NumberRecord`), which may be a weight [1]. */
export function writeNumber(
  out: RecordWriter, { inputs, outputs }: CpuStepOf<{ readonly kind: string }>, at: Addresses, number: number | WeightRef,
): void {
  out.ints(...rowsAt(at, inputs[0]), ...rowsAt(at, outputs[0]), widthOf(outputs[0] as CpuValue));
  out.float(typeof number === 'number' ? number : 0);
  out.ints(vectorAt(at, typeof number === 'number' ? undefined : number));
}
