/** What the graph has to know of an op. Each op in `ops/` states it once. */
import type { State } from './state.ts';
import type { Dim, GraphType, Value, WeightRef } from './value.ts';

/** Complains of shapes in the name of the op that is being added. */
export interface ShapeCheck {
  fail(expected: string, found: string): never;
  /** @throws Error where `found` is not `expected`: numbers and names are compared as they stand */
  shape(what: string, found: readonly Dim[], expected: readonly Dim[]): void;
  /** Outer dim and width of a value [outer, width]. */
  rowsOf(value: Value | undefined): { readonly outer: Dim; readonly width: number };
}

/** An op of the same graph, as those after it see it. */
export interface OpBefore {
  readonly kind: string;
  readonly state?: State;
}

export interface OpRules<Op> {
  /** The weights it reads, in a fixed order. */
  weights(op: Op): readonly WeightRef[];
  /** The states it reads or writes. */
  states?(op: Op): readonly State[];
  /** @throws Error where the ops before it in its graph leave out what it needs, or do what only one may */
  follows?(op: Op, before: readonly OpBefore[], check: ShapeCheck): void;
  /** Shape of its output; undefined: it makes nothing but a state. @throws Error where the inputs do not fit */
  shape(op: Op, inputs: readonly Value[], check: ShapeCheck): readonly Dim[] | undefined;
  /** Of its output. Default f32. */
  readonly dtype?: GraphType | undefined;
  /** Its fields, as a printed graph shows them after its weights. */
  print?(op: Op): string;
}

/** Where the functions that write ops put them: a graph under construction. */
export interface OpSink<Op> {
  /** Adds an op whose label is the scopes and `name`; returns what it makes, or its first input where it makes nothing. */
  op(name: string, op: Op, inputs: readonly Value[]): Value;
}
