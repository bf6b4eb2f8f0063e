import { visibility } from '../../graph/ops/attention.ts';
import type { AttentionOp } from '../../graph/ops/attention.ts';
import { stateName } from '../../graph/state.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
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
  write(out, { op, inputs, outputs }, at) {
    const { heads, scale, state, causal, window, q, k } = op;
    const layout = at.pages.states.get(state.index);
    if (layout === undefined) throw new Error(`CPU plan: attention uses state ${stateName(state)}, which the graph does not declare`);
    out.ints(heads, state.heads, state.keyDim, layout.keyWidth, state.valueDim, layout.valueWidth);
    out.float(scale);
    out.ints(at.pages.isHalf ? 1 : 0, at.pages.pageTokens, layout.stateOffset, layout.valueOffset);
    out.ints(...rowsAt(at, inputs[0]), ...rowsAt(at, inputs[1]), ...rowsAt(at, inputs[2]), ...rowsAt(at, outputs[0]), at.partials);
    writePreparation(out, q, inputs[3], at);
    writePreparation(out, k, inputs[3], at);
    out.ints(causal ? 1 : 0, Math.min(window ?? ALL_POSITIONS, ALL_POSITIONS));
    const { pages, rowPages } = at.pageTables(state.group);
    out.ints(pages, rowPages);
  },
};

export const lowerAttention: Lower<AttentionOp, AttentionStepOp> = ({ op }) => {
  const asIs = { norm: undefined, table: undefined };
  return { op: { ...op, q: asIs, k: asIs } };
};
