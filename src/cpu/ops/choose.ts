import { CHOICE_SETTINGS, describeChoice } from '../../graph/ops/choose.ts';
import type { ChooseOp } from '../../graph/ops/choose.ts';
import { widthOf } from '../../graph/value.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';

export const chooseRules: CpuOpRules<ChooseOp> = {
  code: 35,
  describe:  describeChoice,
  write(out, { op: { end, nth }, inputs: [logits, settings, before], outputs }, at) {
    const { address, stride } = at.rowsOf(settings as CpuValue);
    out.ints(...rowsAt(at, logits), widthOf(logits as CpuValue), address + 4 * CHOICE_SETTINGS * nth, stride);
    out.ints(...rowsAt(at, before), end ?? -1, ...rowsAt(at, outputs[0]));
  },
};

export const lowerChoose: Lower<ChooseOp, ChooseOp> = ({ op }) => ({ op });
