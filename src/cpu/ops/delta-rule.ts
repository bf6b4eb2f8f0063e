import type { DeltaRuleOp } from '../../graph/ops/delta-rule.ts';
import { stateName } from '../../graph/state.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';

/** A thread holds a query and a key there. */
export function deltaRuleScratchBytes({ keyDim }: DeltaRuleOp): number {
  return 2 * keyDim * 4;
}

export const deltaRuleRules: CpuOpRules<DeltaRuleOp> = {
  code: 19,
  describe: ({ decay, dtBias, keyHeadMap, state }) => `${decay.id} ${dtBias.id} ${keyHeadMap} state=${stateName(state)}`,
  write(out, { op, inputs, outputs }, at) {
    const { decay, dtBias, keyHeads, valueHeads, keyDim, valueDim, keyHeadMap, state } = op;
    const offset = at.pages.slotStates.get(state.index);
    if (offset === undefined) throw new Error(`CPU plan: a delta rule uses state ${stateName(state)}, which the graph does not declare`);
    out.ints(keyHeads, valueHeads, keyDim, valueDim, keyHeadMap === 'tiled' ? 1 : 0, at.vector(decay.id), at.vector(dtBias.id), offset);
    for (const input of inputs) out.ints(...rowsAt(at, input));
    out.ints(...rowsAt(at, outputs[0]));
  },
};

export const lowerDeltaRule: Lower<DeltaRuleOp, DeltaRuleOp> = ({ op }) => ({ op });
