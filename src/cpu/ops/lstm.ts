import type { LstmOp } from '../../graph/ops/lstm.ts';
import { lstmRules as graphRules } from '../../graph/ops/lstm.ts';
import { stateName } from '../../graph/state.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';

/** Bytes of a thread's scratch: h, c and the gates of a row (`assembly/lstm.ts`). */
export function lstmScratchBytes({ weight }: Pick<LstmOp, 'weight'>): number {
  return 6 * (weight.shape[1] as number) * 4;
}

/** No slot has a state there. */
const NO_STATE = 0xffffffff;

export const lstmRules: CpuOpRules<LstmOp> = {
  code: 29,
  describe: (op) => `${op.weight.id} ${graphRules.print?.(op)}`.trim(),
  write(out, { op: { weight, state, reverse }, inputs, outputs }, at) {
    const offset = state === undefined ? NO_STATE : at.pages.slotStates.get(state.index);
    if (offset === undefined)
      throw new Error(`CPU plan: an LSTM uses state ${state && stateName(state)}, which the graph does not declare`);
    out.ints(weight.shape[1] as number, at.vector(weight.id), offset, reverse ? 1 : 0);
    out.ints(...rowsAt(at, inputs[0]), ...rowsAt(at, outputs[0]));
  },
};

export const lowerLstm: Lower<LstmOp, LstmOp> = ({ op }) => ({ op });
