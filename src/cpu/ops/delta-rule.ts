import type { ActivationName } from '../../graph/ops/activation.ts';
import type { DeltaRuleOp as GraphDeltaRuleOp } from '../../graph/ops/delta-rule.ts';
import { stateName } from '../../graph/state.ts';
import type { WeightRef } from '../../graph/value.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { activationCode } from './activation.ts';
import { shownGain } from './norm.ts';

/** Inputs: qkv, a, b, and with a gate z [rows, valueHeads * valueDim]. */
export interface DeltaRuleOp extends GraphDeltaRuleOp {
  /** y becomes fn(z) * norm(y), the norm that of each head. */
  readonly gate: { readonly fn: ActivationName; readonly weight: WeightRef | undefined; readonly eps: number } | undefined;
}

/** A thread holds some rows' queries, keys and numbers there: ROWS_AT_A_TIME and ROW_NUMBERS of `assembly/delta-rule.ts`. */
export function deltaRuleScratchBytes({ keyDim }: GraphDeltaRuleOp): number {
  return 16 * (2 * keyDim + 4) * 4;
}

export const deltaRuleRules: CpuOpRules<DeltaRuleOp> = {
  code: 19,
  describe({ decay, dtBias, keyHeadMap, state, gate }, typeOf) {
    const gated = gate === undefined ? '' : ` ${gate.fn}(z) * norm ${shownGain(gate.weight, typeOf)} eps=${gate.eps}`;
    return `${decay.id} ${dtBias.id} ${keyHeadMap} state=${stateName(state)}${gated}`;
  },
  write(out, { op, inputs, outputs }, at) {
    const { decay, dtBias, keyHeads, valueHeads, keyDim, valueDim, keyHeadMap, state, gate } = op;
    const [qkv, a, b, z] = inputs;
    const offset = at.pages.slotStates.get(state.index);
    if (offset === undefined) throw new Error(`CPU plan: a delta rule uses state ${stateName(state)}, which the graph does not declare`);
    out.ints(keyHeads, valueHeads, keyDim, valueDim, keyHeadMap === 'tiled' ? 1 : 0, at.vector(decay.id), at.vector(dtBias.id), offset);
    for (const rows of [qkv, a, b, outputs[0], z]) out.ints(...rowsAt(at, rows));
    out.ints(activationCode(gate?.fn ?? 'silu'), vectorAt(at, gate?.weight));
    out.float(gate?.eps ?? 0);
  },
};

export const lowerDeltaRule: Lower<GraphDeltaRuleOp, DeltaRuleOp> = ({ op }) => ({ op: { ...op, gate: undefined } });
