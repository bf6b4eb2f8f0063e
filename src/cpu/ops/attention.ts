import type { KvType } from '../../graph/kv-types.ts';
import { scoring, visibility } from '../../graph/ops/attention.ts';
import type { AttentionOp, Scores } from '../../graph/ops/attention.ts';
import { stateName } from '../../graph/state.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { Addresses, CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';
import type { RecordWriter } from '../record-writer.ts';
import { describePreparation, writePreparation } from './rope.ts';
import type { HeadPreparation } from './rope.ts';

/** Of types of keys and values, as assembly/kv-element.ts has them. */
const KV_CODES: Readonly<Record<KvType, number>> = { f32: 0, f16: 1, q8: 2, q4: 3 };

/** More positions than there are, which leave i32 room for sums with positions. */
const ALL_POSITIONS = 2 ** 30;

/** With what becomes of queries, keys and values on their way. Outputs: floats, and their int8 form where that is wanted. */
export interface AttentionStepOp extends AttentionOp {
  readonly q: HeadPreparation;
  readonly k: HeadPreparation;
  readonly v: HeadPreparation;
}

export const attentionRules: CpuOpRules<AttentionStepOp> = {
  code: 10,
  describe: (op) =>
    `heads=${op.heads} state=${stateName(op.state)}${op.ahead === 0 ? '' : ` ahead=${op.ahead}`}${visibility(op)}${scoring(op)}` +
    (['q', 'k', 'v'] as const).map((name) => describePreparation(name, op[name])).join(''),
  write(out, { op, inputs: [q, k, v, ...turns], outputs: [y, codes] }, at) {
    writeAttentionRecord(out, { ...op, values: [q, k, v, y, codes], preparations: [op.q, op.k, op.v], turns }, at);
  },
};

/** How many positions before its own, and after it, a row sees. */
function reach({ causal, window }: Pick<AttentionOp, 'causal' | 'window'>): readonly [before: number, after: number] {
  if (causal) return [Math.min((window ?? Infinity) - 1, ALL_POSITIONS), 0];
  const side = Math.min(Math.floor((window ?? Infinity) / 2), ALL_POSITIONS);
  return [side, side];
}

type MaybeValue = CpuValue | undefined;

interface AttentionFields extends Scores, Pick<AttentionOp, 'heads' | 'state' | 'causal' | 'window'> {
  /** q, k, v, the result and its int8 form, those that there are. */
  readonly values: readonly [q: MaybeValue, k: MaybeValue, v: MaybeValue, y: MaybeValue, codes?: MaybeValue];
  readonly preparations: readonly [q: HeadPreparation, k: HeadPreparation, v: HeadPreparation];
  /** Positions, and the shift of those that heads turn by. */
  readonly turns: readonly (CpuValue | undefined)[];
  readonly ahead: number;
}

/** The record of whatever reads or writes keys and values in pages. */
export function writeAttentionRecord(out: RecordWriter, fields: AttentionFields, at: Addresses): void {
  const { heads, scale, softcap, sinks, temperature, state, values, preparations, turns, ahead } = fields;
  const layout = at.pages.states.get(state.index);
  if (layout === undefined) throw new Error(`CPU plan: attention uses state ${stateName(state)}, which the graph does not declare`);
  const { key, value, stateOffset, valueOffset } = layout;
  out.ints(heads, state.heads, state.keyDim, key.width, state.valueDim, value.width);
  out.float(scale);
  out.ints(KV_CODES[key.type], key.bytes, KV_CODES[value.type], value.bytes, at.pages.pageTokens, stateOffset, valueOffset);
  const [q, k, v, y, codes] = values;
  out.ints(...[q, k, v, y, codes].flatMap((own) => rowsAt(at, own)), at.partials);
  out.ints(...reach(fields));
  out.float(softcap ?? 0);
  out.ints(vectorAt(at, sinks));
  out.float(temperature?.beta ?? 0);
  out.float(temperature?.length ?? 1);
  const { pages, rowPages, rowSlots } = at.pageTables(state.group, ahead);
  out.ints(ahead, pages, rowPages, rowSlots);
  for (const preparation of preparations) writePreparation(out, preparation, turns, at);
}

/** Heads that are used as they come. */
export const AS_THEY_ARE: HeadPreparation = { norm: undefined, table: undefined };

export const lowerAttention: Lower<AttentionOp, AttentionStepOp> = ({ op }) => ({
  op: { ...op, q: AS_THEY_ARE, k: AS_THEY_ARE, v: AS_THEY_ARE },
});
