/** The states of a grammar's table as they are found, before they are words (`tensor/byte-table.ts`). */
import type { TablePlace } from '../../tensor/byte-table.ts';

export interface GrammarTable {
  readonly table: Uint32Array<ArrayBuffer>;
  readonly start: TablePlace;
}

/** Why a grammar has no table. All is counted, so that the same grammar has none at every load and on every machine. */
export type NoTable =
  /** It takes more states than a table may have, or more words for them, or more work to find them. */
  | 'states'
  /** A text can be read at too many places side by side. */
  | 'places'
  /** What may end goes on with the same bytes as what follows it, in more ways the deeper it nests. */
  | 'ambiguous'
  /** One byte puts more on the stack than kernels have room for. */
  | 'pushes'
  /** A token that ends answers stands within it. */
  | 'end token';

/** Where bytes lead. */
export interface Target {
  /** A set of the automaton; `DEAD` for none. */
  readonly to: number;
  /** States of the automaton that are put on the stack, the topmost last. */
  readonly returns: readonly number[];
}

/** Where bytes from one on lead. */
export interface Way extends Target {
  readonly from: number;
}

export interface Row {
  readonly set: number;
  /** By ascending `from`, the first from 0. */
  readonly ways: readonly Way[];
  readonly isDone: boolean;
}

/** Rows by their set, the first one at the beginning. */
export type Rows = ReadonlyMap<number, Row>;

/** A search that stops wherever others may have their turn. */
export type Steps<Result> = Generator<undefined, Result, undefined>;
