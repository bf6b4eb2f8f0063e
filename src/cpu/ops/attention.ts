import { visibility } from '../../graph/ops/attention.ts';
import type { AttentionOp, Scores } from '../../graph/ops/attention.ts';
import { stateName } from '../../graph/state.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { Addresses, CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';
import type { RecordWriter } from '../record-writer.ts';
import { describePreparation, writePreparation } from './rope.ts';
import type { HeadPreparation } from './rope.ts';

/** A window that no position lies outside of, and that leaves i32 room for differences of positions. */
const ALL_POSITIONS = 2 ** 30;

/** With what becomes of queries and keys on their way. */
export interface AttentionStepOp extends AttentionOp {
  readonly q: HeadPreparation;
  readonly k: HeadPreparation;
}

export const attentionRules: CpuOpRules<AttentionStepOp> = {
  code: 10,
  describe: (op) =>
    `heads=${op.heads} state=${stateName(op.state)}${visibility(op)}${describePreparation('q', op.q)}${describePreparation('k', op.k)}`,
  write(out, { op, inputs: [q, k, v, positions], outputs: [y] }, at) {
    writeAttentionRecord(out, { ...op, values: [q, k, v, y], preparations: [op.q, op.k], positions }, at);
  },
};

interface AttentionFields extends Pick<AttentionOp, 'heads' | 'scale' | 'state' | 'causal' | 'window'> {
  /** q, k, v and the result, those that there are. */
  readonly values: readonly [CpuValue | undefined, CpuValue | undefined, CpuValue | undefined, CpuValue | undefined];
  readonly preparations: readonly [q: HeadPreparation, k: HeadPreparation];
  readonly positions: CpuValue | undefined;
}

/** The record of whatever reads or writes keys and values in pages. */
export function writeAttentionRecord(out: RecordWriter, fields: AttentionFields, at: Addresses): void {
  const { heads, scale, state, causal, window, values, preparations, positions } = fields;
  const layout = at.pages.states.get(state.index);
  if (layout === undefined) throw new Error(`CPU plan: attention uses state ${stateName(state)}, which the graph does not declare`);
  out.ints(heads, state.heads, state.keyDim, layout.keyWidth, state.valueDim, layout.valueWidth);
  out.float(scale);
  out.ints(at.pages.isHalf ? 1 : 0, at.pages.pageTokens, layout.stateOffset, layout.valueOffset);
  out.ints(...values.flatMap((value) => rowsAt(at, value)), at.partials);
  for (const preparation of preparations) writePreparation(out, preparation, positions, at);
  out.ints(causal ? 1 : 0, Math.min(window ?? ALL_POSITIONS, ALL_POSITIONS));
  const { pages, rowPages } = at.pageTables(state.group);
  out.ints(pages, rowPages);
}

/** Heads that are used as they come. */
export const AS_THEY_ARE: HeadPreparation = { norm: undefined, table: undefined };

/** @throws CapacityError for what this executor's attention does not do */
export function refuseScores({ softcap, sinks, temperature }: Scores, label: string): void {
  if (softcap === undefined && sinks === undefined && temperature === undefined) return;
  throw new CapacityError(`The CPU's attention has no softcap, sinks or temperature of queries, which ${label} has.`);
}

export const lowerAttention: Lower<AttentionOp, AttentionStepOp> = ({ op, label }) => {
  refuseScores(op, label);
  if (!op.causal && op.window !== undefined) throw new CapacityError(`The CPU's attention has no window without causality, which ${label} has.`);
  return { op: { ...op, q: AS_THEY_ARE, k: AS_THEY_ARE } };
};
