import type { ChooseOp } from '../../graph/ops/choose.ts';
import { widthOf } from '../../graph/value.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';

export const chooseRules: CpuOpRules<ChooseOp> = {
  code: 35,
  describe: ({ end }) => (end === undefined ? '' : `end=${end}`),
  write(out, { op: { end }, inputs: [logits, settings, before], outputs }, at) {
    out.ints(...rowsAt(at, logits), widthOf(logits as CpuValue), ...rowsAt(at, settings));
    out.ints(...rowsAt(at, before), end ?? -1, ...rowsAt(at, outputs[0]));
  },
};

export const lowerChoose: Lower<ChooseOp, ChooseOp> = ({ op }) => ({ op });
